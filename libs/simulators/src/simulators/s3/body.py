"""A body is believed only after every digest stated about it has been verified."""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from simulators.s3.checksums import PREFIX, Digest, digest_of, require_match, require_shape, stated_in
from simulators.s3.errors import ClientGone, S3Error
from simulators.s3.signature import UNSIGNED
from simulators.s3.wire import Request

OBJECT_LIMIT_BYTES = 5 * 1024**3
DRAIN_LIMIT_BYTES = 64 * 1024**2
STREAMING_UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_LINE_LIMIT_BYTES = 4096
_TRAILER_LIMIT = 16


@dataclass(slots=True, frozen=True)
class Received:
    """What came: size in bytes, MD5 in hex and the verified checksums as stated."""

    size: int
    md5: str
    checksums: dict[str, str]


class ChunkDecoder:
    """Takes the aws-chunked framing off a body, piece by piece; `trailers` is complete once `finished`."""

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}
        self.finished = False
        self._buffer = bytearray()
        self._remaining = 0
        self._in_trailers = False
        self._after_chunk = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes that `piece` completes."""
        self._buffer += piece
        while self._buffer and not self.finished:
            if self._remaining:
                taken = bytes(self._buffer[: self._remaining])
                del self._buffer[: len(taken)]
                self._remaining -= len(taken)
                self._after_chunk = self._remaining == 0
                yield taken
                continue
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > _LINE_LIMIT_BYTES:
                    raise S3Error("IncompleteBody", "The chunk framing of the body is malformed.")
                return
            line = self._buffer[:end].decode("latin-1")
            del self._buffer[: end + 2]
            self._take_line(line)

    def _take_line(self, line: str) -> None:
        if self._after_chunk:
            if line:
                raise S3Error("IncompleteBody", "A chunk is longer than it says.")
            self._after_chunk = False
        elif self._in_trailers:
            if not line:
                self.finished = True
                return
            name, _, value = line.partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            if len(self.trailers) > _TRAILER_LIMIT:
                raise S3Error("InvalidRequest", "Too many trailers.")
        else:
            try:
                self._remaining = int(line.partition(";")[0], 16)
            except ValueError:
                self._remaining = -1
            if not 0 <= self._remaining <= OBJECT_LIMIT_BYTES:
                raise S3Error("IncompleteBody", "The chunk framing of the body is malformed.")
            self._in_trailers = self._remaining == 0


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as the network brings it; raises ClientGone when it ends early."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        # Known before the piece is handed out: whoever refuses it must not wait for a next one that never comes.
        request.body_unread = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece
        if not request.body_unread:
            return


def _declared_length(request: Request, *, chunked: bool) -> int:
    stated = request.headers.get("x-amz-decoded-content-length" if chunked else "content-length")
    if stated is None:
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")
    if not stated.isascii() or not stated.isdigit():
        raise S3Error("InvalidArgument", "The content length is not a number.")
    return int(stated)


def _expected_md5(headers: dict[str, str]) -> bytes | None:
    if (stated := headers.get("content-md5")) is None:
        return None
    try:
        value = base64.b64decode(stated, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != 16:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified is not valid.")
    return value


async def receive_body(
    request: Request, write: Callable[[bytes], None], limit_bytes: int = OBJECT_LIMIT_BYTES
) -> Received:
    """Hand the body to `write` as it comes and return its digests.

    Raises S3Error when a stated length, signature or checksum does not hold: what was written is then void.
    """
    headers, payload = request.headers, request.payload
    chunked = payload.startswith("STREAMING-")
    if chunked and payload != STREAMING_UNSIGNED:
        raise S3Error("NotImplemented", "Signed chunks are not implemented; sign the payload or leave it unsigned.")
    declared = _declared_length(request, chunked=chunked)
    if declared > limit_bytes:
        raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    expected_md5 = _expected_md5(headers)
    stated = stated_in(headers)
    decoder = ChunkDecoder() if chunked else None
    trailing = headers.get("x-amz-trailer", "").strip().lower() if chunked else ""
    if trailing and not trailing.startswith(PREFIX):
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    trailing = trailing.removeprefix(PREFIX)

    md5 = hashlib.md5(usedforsecurity=False)
    digests: dict[str, Digest] = {name: digest_of(name) for name in {*stated, trailing} if name}
    if not chunked and payload != UNSIGNED and "sha256" not in digests:
        digests["sha256"] = hashlib.sha256()
    size = 0
    async for piece in pieces(request):
        for part in decoder.feed(piece) if decoder else (piece,):
            size += len(part)
            if size > declared:
                raise S3Error("IncompleteBody", "The body is longer than it was declared to be.")
            md5.update(part)
            for digest in digests.values():
                digest.update(part)
            write(part)
    if size != declared or (decoder and not decoder.finished):
        raise S3Error("IncompleteBody", "You did not provide the number of bytes specified by the length header")

    if not chunked and payload != UNSIGNED and digests["sha256"].digest().hex() != payload:
        raise S3Error(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    if expected_md5 is not None and md5.digest() != expected_md5:
        raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")
    if trailing and decoder:
        value = decoder.trailers.get(PREFIX + trailing)
        if value is None:
            raise S3Error("InvalidRequest", "The trailer announced in x-amz-trailer did not come.")
        require_shape(trailing, value)
        stated[trailing] = value
    for name, value in stated.items():
        require_match(name, value, digests[name])
    return Received(size, md5.hexdigest(), stated)


async def receive_document(request: Request, limit_bytes: int = 2 * 1024**2) -> bytes:
    """The whole, verified body of an operation whose argument is a small document (may be empty)."""
    collected = bytearray()
    if request.body_unread:
        await receive_body(request, collected.extend, limit_bytes)
    return bytes(collected)


async def drain(request: Request) -> bool:
    """Read what is left of a body nobody wanted, so that its sender reads the answer; False when it is too long."""
    length = request.headers.get("content-length", "0")
    if request.headers.get("expect", "").lower() == "100-continue" or not length.isdigit():
        return False
    if int(length) > DRAIN_LIMIT_BYTES:
        return False
    size = 0
    async for piece in pieces(request):
        size += len(piece)
        if size > DRAIN_LIMIT_BYTES:
            return False
    return True
