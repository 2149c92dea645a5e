"""Operations on one object, or on many by name."""

import asyncio
import dataclasses
import time
from urllib.parse import unquote

from simulators.s3.attributes import attributes_of, headers_of, validators
from simulators.s3.blobs import Draft
from simulators.s3.body import Received, receive_body, receive_document
from simulators.s3.conditions import byte_range, require_writable, unmodified
from simulators.s3.documents import Fields, document, iso, parse
from simulators.s3.errors import S3Error, malformed_xml, precondition_failed
from simulators.s3.shelf import Shelf
from simulators.s3.store import Attributes, Store, StoredObject
from simulators.s3.wire import Request, Response, Slice

DELETE_LIMIT = 1000


async def finish(store: Store, draft: Draft) -> None:
    """A draft is complete; with fsync it is also on the disk."""
    if store.fsync:
        await asyncio.to_thread(draft.sync)
    draft.close()


def checksum_headers(received: Received) -> list[tuple[str, str]]:
    """The verified checksums, told back to whoever stated them."""
    return [(f"x-amz-checksum-{algorithm}", value) for algorithm, value in received.checksums.items()]


async def put_object(shelf: Shelf, request: Request) -> Response:
    """Store the body under the key: all of it, once every digest held, or nothing."""
    if "x-amz-copy-source" in request.headers:
        return await _copy_object(shelf, request)
    store, bucket, key = shelf.store, request.bucket, request.key
    store.require_bucket(bucket)
    conditional = "if-none-match" in request.headers or "if-match" in request.headers
    if conditional:
        require_writable(request.headers, store.find(bucket, key))
    attributes = attributes_of(request.headers)
    draft = store.blobs.draft()
    try:
        received = await receive_body(request, draft.write)
        await finish(store, draft)
        # Others may have written while the body came: what was true before is asked again, in the step that commits.
        store.require_bucket(bucket)
        if conditional:
            require_writable(request.headers, store.find(bucket, key))
        attributes.checksums = received.checksums
        store.put(
            bucket,
            key,
            StoredObject(draft.name, received.size, received.md5, time.time(), attributes.dump()),
        )
    except BaseException:
        draft.discard()
        raise
    return Response(200, [("etag", f'"{received.md5}"'), *checksum_headers(received)])


def _source(header: str) -> tuple[str, str]:
    bucket, _, key = unquote(header).removeprefix("/").partition("/")
    if not bucket or not key or "?versionId=" in header:
        raise S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return bucket, key


async def _copy_object(shelf: Shelf, request: Request) -> Response:
    store, headers = shelf.store, request.headers
    source = _source(headers["x-amz-copy-source"])
    store.require_bucket(request.bucket)
    stored = store.get(*source)
    if unmodified(headers, stored, "x-amz-copy-source-"):
        raise precondition_failed()
    require_writable(headers, store.find(request.bucket, request.key))
    directive = headers.get("x-amz-metadata-directive", "COPY").upper()
    if directive not in {"COPY", "REPLACE"}:
        raise S3Error("InvalidArgument", "Unknown metadata directive.")
    attributes = Attributes.load(stored.attributes)
    if directive == "REPLACE":
        attributes = dataclasses.replace(attributes_of(headers), checksums=attributes.checksums)
    elif source == (request.bucket, request.key):
        raise S3Error("InvalidRequest", "This copy request is illegal: it copies an object to itself unchanged.")
    copy = dataclasses.replace(
        stored, blob=store.blobs.link(stored.blob), modified_s=time.time(), attributes=attributes.dump()
    )
    store.put(request.bucket, request.key, copy)
    fields: Fields = [("ETag", f'"{copy.etag}"'), ("LastModified", iso(copy.modified_s))]
    return Response.xml(document("CopyObjectResult", fields))


async def get_object(shelf: Shelf, request: Request) -> Response:
    """The object or the range asked for, unless the client has it already."""
    stored = shelf.store.get(request.bucket, request.key)
    if unmodified(request.headers, stored):
        return Response(304, validators(stored))
    span = byte_range(request.headers.get("range"), stored.size)
    headers = headers_of(stored, request, partial=span is not None)
    offset, length = span or (0, stored.size)
    if span is not None:
        headers.append(("content-range", f"bytes {offset}-{offset + length - 1}/{stored.size}"))
    headers.append(("content-length", str(length)))
    status = 200 if span is None else 206
    if request.method == "HEAD":
        return Response(status, headers)
    return Response(status, headers, Slice(shelf.store.blobs.open(stored.blob), offset, length))


async def delete_object(shelf: Shelf, request: Request) -> Response:
    """Remove the object; it is as good when there was none."""
    shelf.store.require_bucket(request.bucket)
    shelf.store.delete(request.bucket, request.key)
    return Response(204)


async def delete_objects(shelf: Shelf, request: Request) -> Response:
    """Remove up to 1,000 objects by name, each of them whether or not it was there."""
    shelf.store.require_bucket(request.bucket)
    tree = parse(await receive_document(request), "Delete")
    keys = [element.findtext("Key") or "" for element in tree.findall("Object")]
    if not 0 < len(keys) <= DELETE_LIMIT or not all(keys):
        raise malformed_xml()
    shelf.store.require_bucket(request.bucket)
    for key in keys:
        shelf.store.delete(request.bucket, key)
    quiet = tree.findtext("Quiet") == "true"
    deleted: Fields = [] if quiet else [("Deleted", [("Key", key)]) for key in keys]
    return Response.xml(document("DeleteResult", deleted))
