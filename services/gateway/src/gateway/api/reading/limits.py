"""How much of anything a request may have. Refused before it is read, where its size is known beforehand."""

from starlette.types import Scope

from gateway.errors import HeadersTooLarge, InvalidRequest, TooLarge, UriTooLong

MIB = 1024 * 1024
JSON_BYTES = 32 * MIB
MULTIPART_BYTES = 256 * MIB
TEXT_PARTS_BYTES = 32 * MIB
FILE_BYTES = 50_000_000
FILES = 17
PARTS = 200
DEPTH = 32
NAME_CHARS = 256
VALUES = 100_000
"""Commas and brackets in one JSON body; each may become an object many times its size."""

_HEADERS = 64
_HEADER_BYTES = 32 * 1024
_URL_BYTES = 8 * 1024


def check_head(scope: Scope) -> None:
    """Refuse a request by its first lines alone. Raises HeadersTooLarge or UriTooLong."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    if len(raw_path) + len(scope["query_string"]) + 1 > _URL_BYTES:
        raise UriTooLong
    headers = scope["headers"]
    if len(headers) > _HEADERS or sum(len(name) + len(value) + 4 for name, value in headers) > _HEADER_BYTES:
        raise HeadersTooLarge


def announced_length(scope: Scope, limit: int) -> int | None:
    """The body's announced length, refused when it is over the limit; None when the body comes in chunks."""
    lengths = {value for name, value in scope["headers"] if name == b"content-length"}
    if not lengths:
        return None
    text = lengths.pop().decode("latin-1")
    if lengths or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest("The Content-Length header is not a number.", code="invalid_request")
    length = int(text)
    if length > limit:
        raise TooLarge(f"The request body may have at most {limit // MIB} MiB.")
    return length
