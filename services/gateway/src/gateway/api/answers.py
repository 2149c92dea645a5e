"""Answers: JSON, written once, and handed over piece by piece where it matters whether they arrive."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_PIECE_BYTES = 64 * 1024


def answer(content: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


class Handover(Response):
    """A JSON answer that tells whether its client took it.

    A server counts an answer as sent once it is buffered. So a large one goes in pieces, each of which waits until
    there is room for it, and before the last piece the client must still be there.
    """

    def __init__(
        self,
        content: Any,
        status: int,
        *,
        headers: dict[str, str] | None = None,
        is_gone: Callable[[], Awaitable[bool]],
        taken: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        super().__init__(orjson.dumps(content), status, headers, media_type="application/json")
        self._is_gone = is_gone
        self._taken = taken
        self._lost = lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - an ASGI signature
        """Send it, and say what became of it; a server that is stopped in between has lost it."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            body = memoryview(self.body)
            while len(body) > _PIECE_BYTES:
                await send({"type": "http.response.body", "body": bytes(body[:_PIECE_BYTES]), "more_body": True})
                body = body[_PIECE_BYTES:]
            gone = await self._is_gone()
            await send({"type": "http.response.body", "body": bytes(body), "more_body": False})
        except BaseException:
            self._lost()
            raise
        if gone:
            self._lost()
        else:
            self._taken()
