"""An HTTP client for URLs that strangers chose."""

from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from common.egress.connector import GuardedConnector
from common.egress.errors import EgressRefused
from common.egress.lookup import Lookup, system_lookup
from common.egress.policy import EgressPolicy
from common.egress.urls import parse_url

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30)


class GuardedSession:
    """A ClientSession whose requests go only where the policy allows; not inherited from it, so that what it
    offers is what was thought about.

    Redirects are answers, not followed, unless a call says ``allow_redirects=True``; then every hop is judged.
    Answers come as they are on the wire: nothing is decompressed, cookies are not kept, no proxy is used.
    Besides aiohttp's errors, a request may raise EgressRefused.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, method: str, url: str | URL, **options: Any) -> "aiohttp.client._RequestContextManager":
        """As ``ClientSession.request``: ``async with session.request("GET", url) as answer``.

        A ``URL(..., encoded=True)`` is sent as it is; of a text, the same is demanded as at registration.
        """
        if options.get("proxy") is not None:
            raise EgressRefused("guarded requests do not go through a proxy")
        target = parse_url(url) if isinstance(url, str) else url
        if target.raw_user is not None or target.raw_password is not None:
            raise EgressRefused("leave user name and password out of the URL")
        options.setdefault("allow_redirects", False)
        return self._session.request(method, target, **options)

    def get(self, url: str | URL, **options: Any) -> "aiohttp.client._RequestContextManager":
        """``request("GET", ...)``."""
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Any) -> "aiohttp.client._RequestContextManager":
        """``request("HEAD", ...)``."""
        return self.request("HEAD", url, **options)

    def post(self, url: str | URL, **options: Any) -> "aiohttp.client._RequestContextManager":
        """``request("POST", ...)``."""
        return self.request("POST", url, **options)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._session.closed

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def guarded_session(
    policy: EgressPolicy,
    *,
    timeout: aiohttp.ClientTimeout = _TIMEOUT,
    limit: int = 200,
    limit_per_host: int = 0,
    keepalive_s: float = 15.0,
    force_close: bool = False,
    lookup: Lookup = system_lookup,
) -> GuardedSession:
    """A guarded HTTP client; call it inside a running loop and close it.

    ``force_close``: one connection per request, for receivers that are called rarely.
    """
    connector = GuardedConnector(
        policy,
        lookup=lookup,
        limit=limit,
        limit_per_host=limit_per_host,
        force_close=force_close,
        **({} if force_close else {"keepalive_timeout": keepalive_s}),
    )
    return GuardedSession(
        aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # a small answer must not become a large one
            headers={"Accept-Encoding": "identity"},
        )
    )


async def read_at_most(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The first bytes of an answer, however long it is; the rest is not waited for."""
    read = bytearray()
    while len(read) < max_bytes:
        piece = await answer.content.read(max_bytes - len(read))
        if not piece:
            break
        read += piece
    return bytes(read)
