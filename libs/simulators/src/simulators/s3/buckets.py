"""Operations on buckets and their lifecycle rules."""

import re

from simulators.s3.body import receive_document
from simulators.s3.documents import Fields, document, iso
from simulators.s3.errors import S3Error
from simulators.s3.lifecycle import dump_rules, load_rules, parse_rules, rules_document
from simulators.s3.shelf import Shelf
from simulators.s3.wire import Request, Response

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED = {"healthz"}


def require_bucket_name(name: str) -> None:
    """Raise InvalidBucketName unless a bucket may be called so."""
    if not _NAME.fullmatch(name) or ".." in name or name in _RESERVED:
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.")


async def list_buckets(shelf: Shelf, request: Request) -> Response:  # noqa: ARG001 - the shape of an operation
    """All buckets."""
    buckets: Fields = [
        ("Bucket", [("Name", name), ("CreationDate", iso(created_s))]) for name, created_s in shelf.store.buckets()
    ]
    owner: Fields = [("ID", "owner"), ("DisplayName", "owner")]
    return Response.xml(document("ListAllMyBucketsResult", [("Owner", owner), ("Buckets", buckets)]))


async def create_bucket(shelf: Shelf, request: Request) -> Response:
    """Create a bucket; whatever location the body asks for, it is here."""
    await receive_document(request, 64 * 1024)
    require_bucket_name(request.bucket)
    if not shelf.store.create_bucket(request.bucket):
        raise S3Error("BucketAlreadyOwnedByYou", "The bucket you tried to create already exists, and you own it.")
    return Response(200, [("location", f"/{request.bucket}")])


async def head_bucket(shelf: Shelf, request: Request) -> Response:
    """Whether the bucket exists."""
    shelf.store.require_bucket(request.bucket)
    return Response()


async def delete_bucket(shelf: Shelf, request: Request) -> Response:
    """Remove an empty bucket, and the uploads begun in it."""
    for upload in shelf.uploads.of_bucket(request.bucket, limit=-1):
        shelf.uploads.end(upload.id)
    if not shelf.store.delete_bucket(request.bucket):
        raise S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty")
    return Response(204)


async def get_bucket_location(shelf: Shelf, request: Request) -> Response:
    """Everywhere is here."""
    shelf.store.require_bucket(request.bucket)
    return Response.xml(document("LocationConstraint", []))


async def put_lifecycle(shelf: Shelf, request: Request) -> Response:
    """Replace the bucket's rules."""
    shelf.store.require_bucket(request.bucket)
    rules = parse_rules(await receive_document(request))
    shelf.store.set_lifecycle(request.bucket, dump_rules(rules))
    return Response()


async def get_lifecycle(shelf: Shelf, request: Request) -> Response:
    """The bucket's rules."""
    rules = load_rules(shelf.store.lifecycle(request.bucket))
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
    return Response.xml(rules_document(rules))


async def delete_lifecycle(shelf: Shelf, request: Request) -> Response:
    """No rules any more."""
    shelf.store.set_lifecycle(request.bucket, dump_rules([]))
    return Response(204)
