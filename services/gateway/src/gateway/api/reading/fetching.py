"""Inputs by address that a provider must be given as bytes: fetched here, straight into sealed storage.

Behind the egress guard, which judges every redirect anew (a media link of ours is one), and within bounds.
"""

import asyncio

import aiohttp

from common.egress import EgressPolicy, EgressRefused, guarded_session
from gateway.api.reading.staging import StagedFile, StagingFile
from gateway.errors import InvalidRequest

_PATIENCE_S = 30.0
_MOST_REDIRECTS = 3
_PIECE_BYTES = 256 * 1024


async def fetch(url: str, name: str, file: StagingFile, policy: EgressPolicy, max_bytes: int) -> StagedFile:
    """The file behind a URL, staged. Raises InvalidRequest with the field's name, without a word of the answer."""
    try:
        async with (
            asyncio.timeout(_PATIENCE_S),
            guarded_session(policy, force_close=True) as session,
            session.get(url, allow_redirects=True, max_redirects=_MOST_REDIRECTS) as answer,
        ):
            await _take(answer, name, file, max_bytes)
    except EgressRefused as refused:
        await file.give_up()
        raise _unfetched(name, str(refused)) from None
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        await file.give_up()
        raise _unfetched(name, "its host does not answer as it should") from None
    except BaseException:
        await file.give_up()
        raise
    return await file.finish()


async def _take(answer: aiohttp.ClientResponse, name: str, file: StagingFile, max_bytes: int) -> None:
    if answer.status != 200:
        raise _unfetched(name, f"its host answered {answer.status}")
    size = 0
    async for piece in answer.content.iter_chunked(_PIECE_BYTES):
        size += len(piece)
        if size > max_bytes:
            message = f"{name} may have at most {max_bytes} bytes."
            raise InvalidRequest(message, code="image_too_large", param=name)
        await file.write(piece)


def _unfetched(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{name} could not be fetched: {why}.", code="invalid_image_url", param=name)
