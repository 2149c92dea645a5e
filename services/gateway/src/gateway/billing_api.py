"""Questions to billing over its internal API. The gateway keeps no balance of its own."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import aiohttp

from common import telemetry
from gateway.errors import Unavailable

_TIMEOUT = aiohttp.ClientTimeout(total=1.5, connect=0.5)
_PRICES_LIFE_S = 30.0
_ASK_AGAIN_S = 3.0
"""After billing did not answer: a page of prices must not wait for it each time."""
_TRIES = 2

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account can spend, and what is held for its running jobs."""

    available_microusd: int
    held_microusd: int


class BillingApi(Protocol):
    """What the gateway asks billing."""

    async def balance(self, account_id: UUID) -> Balance:
        """The balance now. Raises Unavailable."""
        ...

    async def prices(self) -> dict[str, int] | None:
        """Micro-dollars per unit of each SKU, the last that billing told; None when it has told none yet."""
        ...


class HttpBillingApi:
    """The real one."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None
        self._prices: dict[str, int] | None = None
        self._prices_until = 0.0

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def balance(self, account_id: UUID) -> Balance:
        """The balance now. Raises Unavailable."""
        found = await self._get(f"/internal/accounts/{account_id}/balance")
        return Balance(int(found["available_microusd"]), int(found["held_microusd"]))

    async def prices(self) -> dict[str, int] | None:
        """The price book, remembered for half a minute, and while billing is away."""
        if time.monotonic() < self._prices_until:
            return self._prices
        try:
            found = await self._get("/internal/prices")
        except Unavailable:
            self._prices_until = time.monotonic() + _ASK_AGAIN_S
            return self._prices
        self._prices = {str(one["sku"]): int(one["unit_price_microusd"]) for one in found["prices"]}
        self._prices_until = time.monotonic() + _PRICES_LIFE_S
        return self._prices

    async def _get(self, path: str) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, headers=self._headers)
        for attempt in range(_TRIES):
            try:
                async with self._session.get(self._base_url + path) as response:
                    if response.status == 200:
                        return await response.json()
                    log.warning("billing_answers", status=response.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("billing_away", reason=type(error).__name__)
            if attempt + 1 < _TRIES:
                await asyncio.sleep(0.1)
        raise Unavailable("The balance cannot be read at the moment; try again shortly.")
