"""Answers: JSON, written once."""

from typing import Any

import orjson
from starlette.background import BackgroundTask
from starlette.responses import Response


def answer(
    content: Any, status: int = 200, *, headers: dict[str, str] | None = None, after: BackgroundTask | None = None
) -> Response:
    """A JSON answer; ``after`` runs when it has been sent completely."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json", background=after)
