"""Which operation a request asks for."""

from simulators.s3 import buckets, listing, multipart, objects
from simulators.s3.errors import S3Error
from simulators.s3.shelf import Operation
from simulators.s3.wire import Request

# A query parameter that changes what a request means. Those without an operation below are refused, never ignored.
_SUBRESOURCES = frozenset(
    """
    accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle
    list-type location logging metrics notification object-lock ownershipControls partNumber policy policyStatus
    publicAccessBlock replication requestPayment restore retention select tagging torrent uploadId uploads versionId
    versioning versions website
    """.split()  # noqa: SIM905 - a list of 38 quoted words reads worse
)

_OPERATIONS: dict[tuple[str, str, str], Operation] = {
    ("GET", "service", ""): buckets.list_buckets,
    ("PUT", "bucket", ""): buckets.create_bucket,
    ("HEAD", "bucket", ""): buckets.head_bucket,
    ("DELETE", "bucket", ""): buckets.delete_bucket,
    ("GET", "bucket", ""): listing.list_objects,
    ("GET", "bucket", "list-type"): listing.list_objects,
    ("GET", "bucket", "location"): buckets.get_bucket_location,
    ("PUT", "bucket", "lifecycle"): buckets.put_lifecycle,
    ("GET", "bucket", "lifecycle"): buckets.get_lifecycle,
    ("DELETE", "bucket", "lifecycle"): buckets.delete_lifecycle,
    ("POST", "bucket", "delete"): objects.delete_objects,
    ("GET", "bucket", "uploads"): multipart.list_multipart_uploads,
    ("PUT", "object", ""): objects.put_object,
    ("GET", "object", ""): objects.get_object,
    ("HEAD", "object", ""): objects.get_object,
    ("DELETE", "object", ""): objects.delete_object,
    ("POST", "object", "uploads"): multipart.create_multipart_upload,
    ("PUT", "object", "partNumber uploadId"): multipart.upload_part,
    ("POST", "object", "uploadId"): multipart.complete_multipart_upload,
    ("DELETE", "object", "uploadId"): multipart.abort_multipart_upload,
    ("GET", "object", "uploadId"): multipart.list_parts,
}


def operation_of(request: Request) -> Operation:
    """The operation asked for; raises NotImplemented or MethodNotAllowed rather than doing something else."""
    level = "object" if request.key else "bucket" if request.bucket else "service"
    subresource = " ".join(sorted(request.query.keys() & _SUBRESOURCES)) if request.query else ""
    operation = _OPERATIONS.get((request.method, level, subresource))
    if operation is not None:
        return operation
    if subresource:
        raise S3Error("NotImplemented", "A parameter you provided implies functionality that is not implemented.")
    raise S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.")
