"""A body as it arrives: a client that stops sending holds nothing of ours for long."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from gateway.errors import RequestTimedOut

IDLE_S = 20.0
"""The longest pause between two pieces of a body."""
SLOWEST_BYTES_PER_S = 20_000
"""What a body must average once it has been on its way for a minute."""
GRACE_S = 60.0


async def pieces(request: Request, idle_s: float = IDLE_S) -> AsyncIterator[bytes]:
    """The body's pieces.

    Raises:
        RequestTimedOut: the client paused for too long, or sends so little that it might as well.
    """
    loop = asyncio.get_running_loop()
    began, size = loop.time(), 0
    arriving = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(idle_s):
                piece = await anext(arriving)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RequestTimedOut from None
        size += len(piece)
        if size < (loop.time() - began - GRACE_S) * SLOWEST_BYTES_PER_S:
            raise RequestTimedOut
        yield piece
