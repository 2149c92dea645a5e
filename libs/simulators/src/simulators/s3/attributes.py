"""The headers that stay with an object, in and out."""

from simulators.s3.documents import http_date
from simulators.s3.errors import S3Error
from simulators.s3.store import Attributes, StoredObject
from simulators.s3.wire import Request

_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_META = "x-amz-meta-"
_METADATA_LIMIT_BYTES = 2048
# Promises this endpoint would not keep; storing the object without them would be a lie.
_NOT_SPOKEN = ("x-amz-tagging", "x-amz-object-lock-mode", "x-amz-server-side-encryption-customer-algorithm")


def attributes_of(headers: dict[str, str]) -> Attributes:
    """What a writer says about the object it sends."""
    for name in _NOT_SPOKEN:
        if name in headers:
            raise S3Error("NotImplemented", f"Header {name} is not implemented.")
    kept = {name: headers[name] for name in _KEPT if name in headers}
    if "content-encoding" in kept:
        codings = [coding.strip() for coding in kept["content-encoding"].split(",")]
        kept["content-encoding"] = ",".join(coding for coding in codings if coding not in {"", "aws-chunked"})
        if not kept["content-encoding"]:
            del kept["content-encoding"]
    metadata = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    if sum(len(name) + len(value) for name, value in metadata.items()) > _METADATA_LIMIT_BYTES:
        raise S3Error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return Attributes(kept, metadata)


def _override(name: str, value: str) -> str:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise S3Error("InvalidArgument", f"Header value cannot be represented using ISO-8859-1: {name}") from None
    if any(character < " " or character == "\x7f" for character in value):
        raise S3Error("InvalidArgument", f"Header value cannot hold control characters: {name}")
    return value


def validators(stored: StoredObject) -> list[tuple[str, str]]:
    """The headers every answer about an object carries, 304 included."""
    return [("etag", f'"{stored.etag}"'), ("last-modified", http_date(int(stored.modified_s)))]


def headers_of(stored: StoredObject, request: Request, *, partial: bool) -> list[tuple[str, str]]:
    """The headers of an object's answer; `response-*` parameters of the signed query override the stored ones."""
    attributes = Attributes.load(stored.attributes)
    kept = attributes.headers
    kept.setdefault("content-type", "binary/octet-stream")
    for name in _KEPT:
        if (value := request.query.get(f"response-{name}")) is not None:
            kept[name] = _override(name, value)
    headers = [*validators(stored), ("accept-ranges", "bytes"), *kept.items()]
    headers.extend((_META + name, value) for name, value in attributes.metadata.items())
    if not partial and request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        for algorithm, value in attributes.checksums.items():
            headers.append((f"x-amz-checksum-{algorithm}", value))
            headers.append(("x-amz-checksum-type", "COMPOSITE" if "-" in value else "FULL_OBJECT"))
    return headers
