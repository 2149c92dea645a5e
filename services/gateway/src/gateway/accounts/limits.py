"""Requests per minute, for accounts that have such a limit; no question asked for those that have none."""

import math

from gateway.accounts.authentication import Caller
from gateway.accounts.repository import AccountRows, Bucket
from gateway.errors import RateLimited


class RateLimit:
    """A token bucket per account, shared by all replicas."""

    def __init__(self, rows: AccountRows) -> None:
        self._rows = rows

    async def admit(self, caller: Caller) -> dict[str, str]:
        """Take one token; the headers that tell the client how it stands. Raises RateLimited without one."""
        if caller.rate_per_minute is None:
            return {}
        bucket = await self._rows.take((caller.account_id, caller.rate_per_minute))
        headers = _headers(caller.rate_per_minute, bucket)
        if not bucket.granted:
            error = RateLimited(f"This account may send {caller.rate_per_minute} requests a minute.")
            wait_s = (1 - min(1.0, bucket.tokens)) * 60 / caller.rate_per_minute
            error.headers = headers | {"retry-after": str(max(1, math.ceil(wait_s)))}
            raise error
        return headers


def _headers(rate: int, bucket: Bucket) -> dict[str, str]:
    full_after_s = max(0.0, (rate - bucket.tokens) * 60 / rate)
    return {
        "x-ratelimit-limit-requests": str(rate),
        "x-ratelimit-remaining-requests": str(max(0, math.floor(bucket.tokens))),
        "x-ratelimit-reset-requests": _duration(full_after_s),
    }


def _duration(seconds: float) -> str:
    """As OpenAI writes it: ``250ms``, ``1s``, ``6m0s``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
