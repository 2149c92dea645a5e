"""The one HTTP client towards providers: quick to give up connecting, bounded in time and size, never repeating.

A POST begins work, so it goes over a connection of its own. A kept one may have been closed by the provider with the
news still under way, however short its idle time: the request would end in a reset, and nobody could tell whether it
was read. The price is a handshake for each submit: a fraction of a millisecond on loopback, two round trips with
TLS, next to seconds or minutes of generating. All else may be asked twice: it goes over kept connections, and the
library repeats it once when one of them turns out to be closed.

What it raises says whether a provider may have seen the request: *unavailable* when nothing can have left,
*ambiguous* when bytes were sent and no answer came back. A status that says no is an answer, whatever becomes of
its body. A connect that ran out of time because this process stood still says nothing of the provider, and is made
once more.
"""

import asyncio
import contextlib
import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
import orjson
from yarl import URL

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.standstill import stood_still
from dispatcher.upstreams.budget import MIB, Budget, Share

MAX_ANSWER_BYTES = 1 * MIB
"""Enough for any answer that carries no media."""
CONNECT_S = 0.5
MAX_RETRY_AFTER_S = 3600.0
_KEEP_ALIVE_S = 15.0
_LARGE_ANSWERS_BYTES = 64 * MIB
_IN_ONE_GO_BYTES = 256 * 1024
_FAILING = 300
"""From this status on; redirects are not followed."""
_REFUSAL_S = 0.2
"""The time for a failing answer's body: its status says enough, and the next route waits for it."""
_MAX_REFUSAL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of bounded size: complete, or a failing one with as much of its body as came in time.

    Take from it what is needed and let it go before waiting for anything: its bytes are in nobody's budget.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray

    def json(self) -> Any:
        """The parsed body; None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def object(self) -> dict[str, Any]:
        """The parsed body when it is a JSON object; an empty one otherwise."""
        parsed = self.json()
        return parsed if isinstance(parsed, dict) else {}

    @property
    def retry_after_s(self) -> float | None:
        """The provider's wish, from ``retry-after-ms`` or ``retry-after`` (seconds or an HTTP date)."""
        return parse_retry_after_s(self.headers, time.time())


def parse_retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds a provider wants to be left alone; None when it says nothing that makes sense."""
    try:
        if text := headers.get("retry-after-ms"):
            wish_s = float(text) / 1000
        elif text := headers.get("retry-after"):
            try:
                wish_s = float(text)
            except ValueError:
                wish_s = parsedate_to_datetime(text).timestamp() - now_s
        else:
            return None
    except (ValueError, OverflowError, TypeError):
        return None
    if not math.isfinite(wish_s) or wish_s <= 0:
        return None
    return min(wish_s, MAX_RETRY_AFTER_S)


class Client:
    """The connections to all providers, and the memory for what they answer.

    A large answer that stands still for ``stall_s`` is given up: others wait for its bytes.
    """

    def __init__(self, *, large_answers_bytes: int = _LARGE_ANSWERS_BYTES, stall_s: float = 15.0) -> None:
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._budget = Budget(large_answers_bytes)
        self._stall_s = stall_s

    async def start(self) -> Self:
        """Open the pool."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_bytes)
        trace.on_request_chunk_sent.append(_note_bytes)
        self._kept = _session(aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S))
        self._fresh = _session(aiohttp.TCPConnector(limit=0, force_close=True), trace)
        return self

    async def stop(self) -> None:
        """Close the pool."""
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        connect_s: float = CONNECT_S,
        body: bytes | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        sent: Callable[[], None] | None = None,
    ) -> Answer:
        """Send once and read the answer; ``sent`` hears of each part of a POST that has left.

        Raises:
            UpstreamFailed: unavailable (nothing left this machine), or ambiguous (sent, no complete answer).
        """
        session = self._fresh if method == "POST" else self._kept
        assert session is not None, "Client.start() comes first"

        async def once() -> Answer:
            request = session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                # Large ones in pieces: written in one go they would hold up everybody else's.
                data=io.BytesIO(body) if body is not None and len(body) > _IN_ONE_GO_BYTES else body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s),
                trace_request_ctx=sent,
            )
            # The share goes back last, with nothing to wait for behind it: the caller has the answer to itself.
            with self._budget.share() as share:
                async with asyncio.timeout(timeout_s) as patience, request as response:
                    if response.status >= _FAILING:
                        patience.reschedule(None)  # it has answered: a late body must not make a riddle of that
                        return Answer(response.status, response.headers, await _read_refusal(response))
                    return Answer(response.status, response.headers, await self._read(response, max_bytes, share))

        began = time.monotonic()
        try:
            try:
                return await once()
            except aiohttp.ConnectionTimeoutError:
                if not stood_still(began, connect_s):
                    raise
            return await once()
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            raise UpstreamFailed(FailureClass.UNAVAILABLE, "connect") from None
        except TimeoutError:
            raise UpstreamFailed(FailureClass.AMBIGUOUS, "timeout") from None
        except (aiohttp.InvalidURL, ValueError):
            raise UpstreamFailed(FailureClass.UNAVAILABLE, "bad_url") from None
        except (aiohttp.ClientError, OSError) as error:
            # An answer that breaks off, a reset, nonsense instead of HTTP: the request may have been understood.
            raise UpstreamFailed(FailureClass.AMBIGUOUS, _code_of(error)) from None

    async def _read(self, response: aiohttp.ClientResponse, max_bytes: int, share: Share) -> bytearray:
        """The whole body, in one piece of memory."""
        length = response.content_length
        if length is not None and length > max_bytes:
            raise _too_large(response)
        # The length of a compressed body is not the length of what comes out of it.
        most = max_bytes if length is None or "content-encoding" in response.headers else length
        body = bytearray()
        while part := await _next_part(response, self._stall_s if share.held else None):
            size = len(body) + len(part)
            if size > max_bytes:
                raise _too_large(response)
            await share.cover(size, most)
            body += part
        return body


def _session(connector: aiohttp.TCPConnector, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=not traces,
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=list(traces),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
        trust_env=False,
    )


async def _note_bytes(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx()


async def _next_part(response: aiohttp.ClientResponse, stall_s: float | None) -> bytes:
    async with asyncio.timeout(stall_s):
        return await response.content.readany()


async def _read_refusal(response: aiohttp.ClientResponse) -> bytearray:
    """What comes soon of a failing answer's body; it may be cut short, and then hardly parses."""
    body = bytearray()
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_REFUSAL_S):
            while len(body) < _MAX_REFUSAL_BYTES and (part := await response.content.readany()):
                body += part
            if response.content.at_eof():
                return body
    response.close()
    return body


def _too_large(response: aiohttp.ClientResponse) -> UpstreamFailed:
    response.close()
    return UpstreamFailed(FailureClass.FAILED_GENERATION, "answer_too_large")


def _code_of(error: Exception) -> str:
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        return "broken_off"
    return "reset" if isinstance(error, OSError) else "bad_http"
