"""One POST to a customer's URL, through the egress guard."""

import time
from email.utils import parsedate_to_datetime

import aiohttp

from common.clock import now
from common.egress import EgressPolicy, EgressRefused, GuardedSession, guarded_session
from notifier.webhooks.schedule import Answer

USER_AGENT = "reAPI-Webhooks/1"
_CONNECT_S = 5.0


class Poster:
    """Posts bodies; judges the address that is dialled, follows no redirect, needs of an answer only its head.

    What a receiver says after the head is not waited for: a body that drips, or of any size, changes nothing.
    """

    def __init__(self, policy: EgressPolicy, *, timeout_s: float) -> None:
        self._policy = policy
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(_CONNECT_S, timeout_s))
        self._session: GuardedSession | None = None

    async def start(self) -> None:
        """Open the session."""
        # A connection per post: a receiver may close a kept one just as the next post is written to it. Whether it
        # has read that is not known, a POST is not repeated unasked, and a try would fail that need not have.
        self._session = guarded_session(self._policy, force_close=True)

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[Answer, int]:
        """Send once; the answer and how many milliseconds it took. Never raises for what a receiver does."""
        assert self._session is not None, "Poster.start() comes first"
        started = time.perf_counter()
        try:
            async with self._session.post(
                url,
                data=body,
                headers={"content-type": "application/json", "user-agent": USER_AGENT, **headers},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                answer = Answer(response.status, retry_after_s=retry_after_s(response.headers.get("retry-after")))
        except EgressRefused:
            answer = Answer(None, "address_refused")
        except TimeoutError:
            answer = Answer(None, "timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = Answer(None, type(error).__name__)
        return answer, round((time.perf_counter() - started) * 1000)


def retry_after_s(value: str | None) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3: a number or a date); None when it says nothing usable."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
