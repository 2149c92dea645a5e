"""JSON bodies: bounded while they arrive, and bounded in what they become."""

import asyncio
from typing import Any

import orjson
from starlette.requests import Request

from gateway.api.reading.limits import DEPTH, JSON_BYTES, MIB, VALUES, announced_length
from gateway.errors import InvalidRequest, TooLarge, UnsupportedBody

_SMALL_BYTES = 64 * 1024
_LARGE_BYTES = MIB
_large_bodies = asyncio.Semaphore(6)
"""Large bodies wait for one another: memory is bounded by their number."""


async def read_json(request: Request) -> dict[str, Any]:
    """The body as an object.

    Raises:
        UnsupportedBody, TooLarge, InvalidRequest: with sentences that never quote the body.
    """
    if media_type(request) != "application/json":
        raise UnsupportedBody
    announced = announced_length(request.scope, JSON_BYTES)
    if announced is not None and announced <= _LARGE_BYTES:
        return parse(await _read(request))
    async with _large_bodies:
        return parse(await _read(request))


def media_type(request: Request) -> str:
    """The body's content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(body: bytes) -> dict[str, Any]:
    """An object of at most so many values and so much depth; raises InvalidRequest."""
    if len(body) > _SMALL_BYTES and body.count(b",") + body.count(b"[") + body.count(b"{") > VALUES:
        raise InvalidRequest("The JSON body has too many values.", code="invalid_json")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Its message quotes the place, which is part of the body.
        raise InvalidRequest("The body is not valid JSON.", code="invalid_json") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    if _is_deeper(parsed, DEPTH):
        raise InvalidRequest(f"The JSON body is nested deeper than {DEPTH}.", code="invalid_json")
    return parsed


async def _read(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > JSON_BYTES:
            raise TooLarge(f"A JSON body may have at most {JSON_BYTES // MIB} MiB.")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
