"""Operations of a multipart upload."""

import asyncio
import hashlib
import time
from xml.etree import ElementTree as ET

from simulators.s3.attributes import attributes_of
from simulators.s3.blobs import Draft
from simulators.s3.body import receive_body, receive_document
from simulators.s3.checksums import composite
from simulators.s3.conditions import require_writable
from simulators.s3.documents import Fields, document, iso, parse
from simulators.s3.errors import S3Error, malformed_xml
from simulators.s3.objects import checksum_headers, finish
from simulators.s3.shelf import Shelf
from simulators.s3.store import Attributes, StoredObject
from simulators.s3.uploads import Part, Upload
from simulators.s3.wire import Request, Response

PARTS_LIMIT = 10_000
PART_FLOOR_BYTES = 5 * 1024**2
PAGE = 1000


def _upload(shelf: Shelf, request: Request) -> Upload:
    return shelf.uploads.get(request.bucket, request.key, request.query["uploadId"])


async def create_multipart_upload(shelf: Shelf, request: Request) -> Response:
    """Begin an upload; its parts become an object only when it is completed."""
    upload_id = shelf.uploads.begin(request.bucket, request.key, attributes_of(request.headers).dump())
    fields: Fields = [("Bucket", request.bucket), ("Key", request.key), ("UploadId", upload_id)]
    return Response.xml(document("InitiateMultipartUploadResult", fields))


async def upload_part(shelf: Shelf, request: Request) -> Response:
    """Keep one part, verified as an object's body is."""
    text = request.query.get("partNumber", "")
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= PARTS_LIMIT:
        raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    if "x-amz-copy-source" in request.headers:
        raise S3Error("NotImplemented", "UploadPartCopy is not implemented.")
    upload = _upload(shelf, request)
    draft = shelf.store.blobs.draft()
    try:
        received = await receive_body(request, draft.write)
        await finish(shelf.store, draft)
        part = Part(int(text), draft.name, received.size, received.md5, time.time(), received.checksums)
        shelf.uploads.put_part(upload, part)
    except BaseException:
        draft.discard()
        raise
    return Response(200, [("etag", f'"{received.md5}"'), *checksum_headers(received)])


def _chosen(tree: ET.Element, parts: dict[int, Part]) -> list[Part]:
    """The parts the client lists; raises S3Error unless they are there, in order, as stated and of right sizes."""
    chosen: list[Part] = []
    for element in tree.findall("Part"):
        number = element.findtext("PartNumber") or ""
        part = parts.get(int(number)) if number.isascii() and number.isdigit() else None
        if part is None or (element.findtext("ETag") or "").strip('"') != part.etag:
            raise S3Error("InvalidPart", "One or more of the specified parts could not be found.")
        for algorithm, value in part.checksums.items():
            stated = element.findtext(f"Checksum{algorithm.upper()}")
            if stated is not None and stated != value:
                raise S3Error("InvalidPart", "The checksum of a part is not the one it was uploaded with.")
        if chosen and chosen[-1].number >= part.number:
            raise S3Error("InvalidPartOrder", "The list of parts was not in ascending order.")
        chosen.append(part)
    if not chosen:
        raise malformed_xml()
    if any(part.size < PART_FLOOR_BYTES for part in chosen[:-1]):
        raise S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    if len({part.size for part in chosen[:-1]}) > 1 or (len(chosen) > 1 and chosen[-1].size > chosen[0].size):
        # Amazon takes unequal parts, Cloudflare R2 does not; what passes here must pass there.
        raise S3Error("InvalidPart", "All non-trailing parts must have the same length.")
    return chosen


async def complete_multipart_upload(shelf: Shelf, request: Request) -> Response:
    """Make the listed parts one object, in one instant."""
    store, bucket, key = shelf.store, request.bucket, request.key
    upload = _upload(shelf, request)
    tree = parse(await receive_document(request), "CompleteMultipartUpload")
    chosen = _chosen(tree, {part.number: part for part in shelf.uploads.parts(upload)})
    require_writable(request.headers, store.find(bucket, key))
    draft = store.blobs.draft()
    try:
        await asyncio.to_thread(_join, draft, [(store.blobs.path(part.blob), part.size) for part in chosen])
        await finish(store, draft)
        _upload(shelf, request)  # it may have been ended, or the key written, while the parts were joined
        require_writable(request.headers, store.find(bucket, key))
        digests = b"".join(bytes.fromhex(part.etag) for part in chosen)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(chosen)}"
        attributes = Attributes.load(upload.attributes)
        attributes.checksums = composite([part.checksums for part in chosen])
        size = sum(part.size for part in chosen)
        store.put(bucket, key, StoredObject(draft.name, size, etag, time.time(), attributes.dump()))
    except BaseException:
        draft.discard()
        raise
    shelf.uploads.end(upload.id)
    fields: Fields = [("Location", f"/{bucket}/{key}"), ("Bucket", bucket), ("Key", key), ("ETag", f'"{etag}"')]
    return Response.xml(document("CompleteMultipartUploadResult", fields))


def _join(draft: Draft, sources: list[tuple[str, int]]) -> None:
    for path, length in sources:
        draft.append(path, length)


async def abort_multipart_upload(shelf: Shelf, request: Request) -> Response:
    """Forget the upload and free its parts."""
    shelf.uploads.end(_upload(shelf, request).id)
    return Response(204)


async def list_parts(shelf: Shelf, request: Request) -> Response:
    """The parts that came so far."""
    upload = _upload(shelf, request)
    marker = request.query.get("part-number-marker", "0")
    after = int(marker) if marker.isascii() and marker.isdigit() else 0
    parts = shelf.uploads.parts(upload, after, PAGE + 1)
    shown = parts[:PAGE]
    fields: list[tuple[str, str | int | bool | Fields]] = [
        ("Bucket", request.bucket),
        ("Key", request.key),
        ("UploadId", upload.id),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", shown[-1].number if shown else after),
        ("MaxParts", PAGE),
        ("IsTruncated", len(parts) > PAGE),
    ]
    for part in shown:
        lines: Fields = [
            ("PartNumber", part.number),
            ("LastModified", iso(part.modified_s)),
            ("ETag", f'"{part.etag}"'),
            ("Size", part.size),
        ]
        fields.append(("Part", lines))
    return Response.xml(document("ListPartsResult", fields))


async def list_multipart_uploads(shelf: Shelf, request: Request) -> Response:
    """Uploads begun and not yet ended, the first 1,000 under the prefix."""
    prefix = request.query.get("prefix", "")
    uploads = shelf.uploads.of_bucket(request.bucket, prefix, PAGE + 1)
    fields: list[tuple[str, str | int | bool | Fields]] = [
        ("Bucket", request.bucket),
        ("Prefix", prefix),
        ("MaxUploads", PAGE),
        ("IsTruncated", len(uploads) > PAGE),
    ]
    for upload in uploads[:PAGE]:
        lines: Fields = [("Key", upload.key), ("UploadId", upload.id), ("Initiated", iso(upload.initiated_s))]
        fields.append(("Upload", lines))
    return Response.xml(document("ListMultipartUploadsResult", fields))
