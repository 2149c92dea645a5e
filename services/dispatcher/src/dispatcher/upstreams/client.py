"""The one HTTP client towards providers: quick to give up connecting, bounded in time and size, never repeating.

(The library repeats a GET, PUT or DELETE once when a kept connection turns out to be closed; never a POST, and
submits are POSTs.)

What it raises says whether a provider may have seen the request: *unavailable* when nothing can have left,
*ambiguous* when bytes were sent and no answer came back.
"""

import asyncio
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

MIB = 1024 * 1024
MAX_ANSWER_BYTES = 1 * MIB
"""Enough for any answer that carries no media."""
CONNECT_S = 0.5
MAX_RETRY_AFTER_S = 3600.0
_KEEP_ALIVE_S = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of bounded size."""

    status: int
    headers: Mapping[str, str]
    body: bytes

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
    """One shared pool of connections for all providers."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._traced: aiohttp.ClientSession | None = None
        """The same connections with hooks that see bytes leave; they cost, so only submits that ask get them."""

    async def start(self) -> Self:
        """Open the pool."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_bytes)
        trace.on_request_chunk_sent.append(_note_bytes)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)
        self._session = _session(connector)
        self._traced = _session(connector, trace)
        return self

    async def stop(self) -> None:
        """Close the pool."""
        if self._session is not None and self._traced is not None:
            await self._traced.close()
            await self._session.close()

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
        """Send once and read the whole answer.

        Raises:
            UpstreamFailed: unavailable (nothing left this machine), or ambiguous (sent, no complete answer).
        """
        session = self._session if sent is None else self._traced
        assert session is not None, "Client.start() comes first"
        try:
            async with (
                asyncio.timeout(timeout_s),
                session.request(
                    method,
                    URL(url, encoded=True),
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s),
                    trace_request_ctx=sent,
                ) as response,
            ):
                return Answer(response.status, response.headers, await _read(response, max_bytes))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            raise UpstreamFailed(FailureClass.UNAVAILABLE, "connect") from None
        except TimeoutError:
            raise UpstreamFailed(FailureClass.AMBIGUOUS, "timeout") from None
        except (aiohttp.InvalidURL, ValueError):
            raise UpstreamFailed(FailureClass.UNAVAILABLE, "bad_url") from None
        except (aiohttp.ClientError, OSError) as error:
            # An answer that breaks off, a reset, nonsense instead of HTTP: the request may have been understood.
            raise UpstreamFailed(FailureClass.AMBIGUOUS, _code_of(error)) from None


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
    context.trace_request_ctx()


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    length = response.content_length
    if length is not None and length > max_bytes:
        response.close()
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "answer_too_large")
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > max_bytes:
            response.close()
            raise UpstreamFailed(FailureClass.FAILED_GENERATION, "answer_too_large")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _code_of(error: Exception) -> str:
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        return "broken_off"
    return "reset" if isinstance(error, OSError) else "bad_http"
