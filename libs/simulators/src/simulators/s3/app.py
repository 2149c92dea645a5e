"""The endpoint itself: every request is verified, routed, answered and counted here, and nowhere else.

Bare ASGI, because this program stands in the path of every output and a framework would cost more than the work.
"""

import asyncio
import os

from simulators.s3.body import drain
from simulators.s3.control import Control
from simulators.s3.documents import error_document
from simulators.s3.errors import ClientGone, S3Error
from simulators.s3.operations import operation_of
from simulators.s3.shelf import Shelf
from simulators.s3.signature import UNSIGNED, Verifier
from simulators.s3.wire import Receive, Request, Response, Scope, Send, Slice

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
PIECE_BYTES = 256 * 1024


class Endpoint:
    """An ASGI application that speaks S3."""

    def __init__(self, shelf: Shelf, verifier: Verifier, lifecycle_interval_s: float) -> None:
        self._shelf = shelf
        self._verifier = verifier
        self._control = Control(shelf)
        self._lifecycle_interval_s = lifecycle_interval_s
        self._request_number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        self._request_number += 1
        request_id = f"{self._request_number:016X}"
        try:
            request = Request.of(scope, receive)
        except S3Error as error:
            # A request that cannot even be read has no method or length to trust: answer and hang up.
            response = self._refusal(error, "", request_id)
            response.headers.append(("connection", "close"))
            await _send(response, scope["method"], request_id, send)
            return
        try:
            response = await self._respond(scope, request, request_id)
            if request.body_unread and not await drain(request):
                response.headers.append(("connection", "close"))
        except ClientGone:
            self._control.errors["ClientGone"] += 1
            return
        await _send(response, request.method, request_id, send)

    async def _respond(self, scope: Scope, request: Request, request_id: str) -> Response:
        if request.bucket.startswith("__"):
            return await self._control.answer(scope, request)
        if request.path == "/healthz":
            return Response(200, [("content-type", "text/plain")], b"ok\n")
        try:
            await self._control.interfere(request)
            self._verifier.verify(request, self._control.now_s())
            if not request.body_unread and request.payload not in {EMPTY_SHA256, UNSIGNED}:
                self._require_no_body(request)
            operation = operation_of(request)
            self._control.operations[operation.__name__] += 1
            response = await operation(self._shelf, request)
        except S3Error as error:
            return self._refusal(error, request.path, request_id)
        except OSError as error:
            # A full disk or a lost blob is an answer of ours, not a reason to hang up.
            return self._refusal(S3Error("InternalError", error.strerror or "I/O error"), request.path, request_id)
        self._count_bytes(request, response)
        return response

    def _require_no_body(self, request: Request) -> None:
        if request.payload.startswith("STREAMING-"):
            raise S3Error("IncompleteBody", "The body announced by x-amz-content-sha256 did not come.")
        raise S3Error(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )

    def _refusal(self, error: S3Error, resource: str, request_id: str) -> Response:
        self._control.errors[error.code] += 1
        body = error_document(error.code, error.message, resource, request_id)
        return Response.xml(body, error.status, error.headers)

    def _count_bytes(self, request: Request, response: Response) -> None:
        length = request.headers.get("content-length")
        if length is not None and length.isdigit():
            self._control.bytes_in += int(length)
        body = response.body
        self._control.bytes_out += body.length if isinstance(body, Slice) else len(body)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        clockwork = asyncio.create_task(self._run_lifecycle())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        clockwork.cancel()
        await asyncio.gather(clockwork, return_exceptions=True)
        self._shelf.store.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _run_lifecycle(self) -> None:
        while True:
            await asyncio.sleep(self._lifecycle_interval_s)
            await self._control.enforce()


async def _send(response: Response, method: str, request_id: str, send: Send) -> None:
    body = response.body
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in response.headers]
    headers.append((b"x-amz-request-id", request_id.encode()))
    sized = response.status in {204, 304} or any(name == b"content-length" for name, _ in headers)
    if isinstance(body, bytes) and not sized:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
        return
    try:
        offset, rest = body.offset, body.length
        while True:
            piece = os.pread(body.descriptor, min(PIECE_BYTES, rest), offset)
            offset, rest = offset + len(piece), rest - len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": rest > 0 and bool(piece)})
            if rest <= 0 or not piece:
                return
    finally:
        os.close(body.descriptor)
