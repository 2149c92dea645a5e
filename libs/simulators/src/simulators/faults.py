"""Answers that are no answers: silence, a torn connection, a head without its body."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

LONGEST_SILENCE_S = 3_600.0


async def until_gone(receive: Receive) -> None:
    """Wait for the caller to give up, an hour at most."""
    async with asyncio.timeout(LONGEST_SILENCE_S):
        while (await receive())["type"] != "http.disconnect":
            pass


class Silence(Response):
    """Says nothing for as long as the caller holds the line."""

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        """Wait, then hang up."""
        try:
            await until_gone(receive)
        except TimeoutError:
            reset(scope)


class Reset(Response):
    """Tears the connection down with RST, before a byte of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        """Abort, and stay until the server has noticed."""
        reset(scope)
        await until_gone(receive)


class Unfinished(Response):
    """Sends a head that promises more than ever comes, a first piece, and then nothing."""

    def __init__(self, first: bytes, promised: int, media_type: str) -> None:
        super().__init__(None, 200, {"content-length": str(promised)}, media_type)
        self.first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start well, never end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.first, "more_body": True})
        await self.leave(scope, receive)

    async def leave(self, scope: Scope, receive: Receive) -> None:
        """Hold the line for as long as the caller does."""
        with suppress(TimeoutError):
            await until_gone(receive)
        reset(scope)


class Truncated(Unfinished):
    """Promises the whole, sends a part, closes."""

    async def leave(self, scope: Scope, receive: Receive) -> None:
        """Close as soon as the part is on its way."""
        scope["state"]["transport"].close()
        await until_gone(receive)


def dripping(body: bytes, bytes_per_s: int, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """The whole body, slowly, ten pieces a second."""
    piece = max(1, bytes_per_s // 10)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]
            await asyncio.sleep(0.1)

    return StreamingResponse(
        pieces(), media_type=media_type, headers={"content-length": str(len(body)), **(headers or {})}
    )


def flood(head: bytes, size: int, media_type: str, *, filler: bytes = b"\0", status: int = 200) -> Response:
    """A body of `size` bytes that begins well; made as it is read, so it costs us no memory."""
    block = filler * 65_536

    async def pieces() -> AsyncIterator[bytes]:
        yield head
        left = size - len(head)
        while left > 0:
            yield block[: min(left, len(block))]
            left -= len(block)

    return StreamingResponse(pieces(), status, media_type=media_type, headers={"content-length": str(size)})


def reset(scope: Scope) -> None:
    """Close the caller's connection with RST."""
    transport: asyncio.Transport = scope["state"]["transport"]
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def broken_off(scenario: str) -> Response | None:
    """The faults that come before any provider's own words, or None when the scenario is another one."""
    if scenario == "hang":
        return Silence()
    if scenario == "reset":
        return Reset()
    return None
