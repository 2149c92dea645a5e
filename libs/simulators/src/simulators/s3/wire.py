"""A request as S3 sees it, and an answer as ASGI wants it."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from simulators.s3.errors import S3Error

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

KEY_LIMIT_BYTES = 1024


def _decoded(raw: str) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI.") from None


@dataclass(slots=True)
class Request:
    """One request, decoded once: path-style bucket and key, query pairs, lower-case headers."""

    method: str
    path: str
    bucket: str
    key: str
    pairs: list[tuple[str, str]]
    query: dict[str, str]
    headers: dict[str, str]
    receive: Receive
    payload: str = "UNSIGNED-PAYLOAD"
    """What the signature says about the body: a SHA-256 in hex, or one of the named exceptions."""
    body_unread: bool = False

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> "Request":
        """Decode an ASGI scope; repeated headers are joined by commas, as signing requires."""
        headers: dict[str, str] = {}
        for name_bytes, value_bytes in scope["headers"]:
            name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        path = _decoded(scope["raw_path"].decode("latin-1"))
        bucket, _, key = path[1:].partition("/")
        if len(key) > KEY_LIMIT_BYTES or len(key.encode()) > KEY_LIMIT_BYTES:
            raise S3Error("KeyTooLongError", "Your key is too long")
        pairs: list[tuple[str, str]] = []
        if raw_query := scope["query_string"].decode("latin-1"):
            for item in raw_query.split("&"):
                if item:
                    # Some clients write a space as a plus sign; S3 reads both alike.
                    name, _, value = item.replace("+", "%20").partition("=")
                    pairs.append((_decoded(name), _decoded(value)))
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        return cls(
            method=scope["method"],
            path=path,
            bucket=bucket,
            key=key,
            pairs=pairs,
            query=dict(pairs),
            headers=headers,
            receive=receive,
            body_unread=has_body,
        )


@dataclass(slots=True, frozen=True)
class Slice:
    """Bytes of an open file; whoever sends it closes it."""

    descriptor: int
    offset: int
    length: int


@dataclass(slots=True)
class Response:
    """An answer: status, headers and either bytes or a slice of a file."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Slice = b""

    @classmethod
    def xml(cls, document: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> "Response":
        """An answer that is an XML document."""
        return cls(status, [("content-type", "application/xml"), *headers], document)
