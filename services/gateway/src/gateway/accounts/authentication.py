"""Whose request is this? Answered from memory for three seconds, never longer: a revoked key dies."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common import telemetry
from common.messaging import CannotReach
from gateway.accounts.repository import AccountRows, KeyRow
from gateway.domain.api_keys import digest, looks_like_key
from gateway.errors import AccountNotActive, Unauthenticated, Unavailable

_MAX_CACHED = 50_000
_RETRY_S = 0.25
_NOT_ACTIVE = {
    "suspended": ("account_suspended", AccountNotActive.message),
    "closing": ("account_closed", "This account is being closed; its keys no longer work."),
    "closed": ("account_closed", "This account is closed."),
}

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with which limits."""

    account_id: UUID
    api_key_id: UUID
    livemode: bool
    rate_per_minute: int | None
    inflight: int | None
    opened_at: datetime
    """When the account was opened: announced prices from before were shown to it then."""


class Authentication:
    """Turns an Authorization header into a caller."""

    def __init__(self, rows: AccountRows, pepper: bytes, cache_s: float, patience_s: float) -> None:
        self._rows = rows
        self._pepper = pepper
        self._cache_s = cache_s
        self._patience_s = patience_s
        self._cache: dict[bytes, tuple[float, KeyRow | None]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind ``Bearer rk_live_...``.

        Raises:
            Unauthenticated: no such key. AccountNotActive: its account may not spend.
            Unavailable: the database has been away for ten seconds; nobody is let in unproved.
        """
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not looks_like_key(secret):
            raise Unauthenticated
        row = await self._row(digest(secret, self._pepper))
        if row is None:
            raise Unauthenticated
        if row.state != "active":
            code, message = _NOT_ACTIVE[row.state]
            raise AccountNotActive(message, code=code)
        return Caller(row.account_id, row.api_key_id, row.livemode, row.rate_per_minute, row.inflight, row.opened_at)

    async def _row(self, key: bytes) -> KeyRow | None:
        cached = self._cache.get(key)
        if cached is not None and time.monotonic() < cached[0]:
            return cached[1]
        asked_at = time.monotonic()
        row = await self._ask(key, asked_at + self._patience_s)
        if len(self._cache) >= _MAX_CACHED:
            # Strangers may send any number of keys; start again rather than grow.
            self._cache.clear()
        # Counted from the question: what was true then may be true no longer.
        self._cache[key] = (asked_at + self._cache_s, row)
        return row

    async def _ask(self, key: bytes, give_up_at: float) -> KeyRow | None:
        while True:
            try:
                return await self._rows.by_digest(key)
            except CannotReach:
                if time.monotonic() + _RETRY_S >= give_up_at:
                    log.warning("cannot_authenticate")
                    raise Unavailable from None
                await asyncio.sleep(_RETRY_S)
