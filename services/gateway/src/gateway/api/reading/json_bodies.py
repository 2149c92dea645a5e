"""JSON bodies: bounded while they arrive, and bounded in what they become."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import orjson
from starlette.requests import Request

from gateway.api.reading.arriving import pieces
from gateway.api.reading.limits import DEPTH, JSON_BYTES, MIB, VALUES, announced_length
from gateway.errors import InvalidRequest, TooLarge, UnsupportedBody

_SMALL_BYTES = 64 * 1024
_LARGE_BYTES = MIB
_MOST_LARGE = 6
_MOST_LARGE_OF_ONE = 2


class LargeBodies:
    """Bodies beyond a mebibyte wait for one another, so that memory is bounded by their number; those of one account
    first among themselves, so that it cannot take every place.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_MOST_LARGE)
        self._own: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, account_id: UUID) -> AsyncIterator[None]:
        """Hold one of the places."""
        own = self._own.get(account_id)
        if own is None:
            own = self._own[account_id] = asyncio.Semaphore(_MOST_LARGE_OF_ONE)
        async with own, self._places:
            yield


async def read_json(request: Request, large: LargeBodies, account_id: UUID) -> dict[str, Any]:
    """The body as an object.

    Raises:
        UnsupportedBody, TooLarge, InvalidRequest, RequestTimedOut: with sentences that never quote the body.
    """
    if media_type(request) != "application/json":
        raise UnsupportedBody
    announced_length(request.scope, JSON_BYTES)
    arriving = pieces(request)
    begun, ended = await _first(arriving)
    if ended:
        return parse(begun)
    async with large.place(account_id):
        return parse(await _rest(begun, arriving))


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


async def _first(arriving: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """The body until it proves to be large, and whether that was all of it."""
    taken: list[bytes] = []
    size = 0
    async for piece in arriving:
        taken.append(piece)
        size += len(piece)
        if size > _LARGE_BYTES:
            return b"".join(taken), False
    return taken[0] if len(taken) == 1 else b"".join(taken), True


async def _rest(begun: bytes, arriving: AsyncIterator[bytes]) -> bytes:
    taken, size = [begun], len(begun)
    async for piece in arriving:
        size += len(piece)
        if size > JSON_BYTES:
            raise TooLarge(f"A JSON body may have at most {JSON_BYTES // MIB} MiB.")
        taken.append(piece)
    return b"".join(taken)


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
