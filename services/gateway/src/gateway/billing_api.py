"""Questions to billing over its internal API. The gateway keeps no balance of its own."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

import aiohttp

from common import telemetry
from gateway.errors import GatewayError, NotFound, OrderRefused, PaymentDeclined, PaymentsUnavailable, Unavailable

_TIMEOUT = aiohttp.ClientTimeout(total=1.5, connect=0.5)
_SLOW = aiohttp.ClientTimeout(total=25, connect=0.5)
_PRICES_LIFE_S = 30.0
_ASK_AGAIN_S = 3.0
"""After billing did not answer: a page of prices must not wait for it each time."""
_MAX_REMEMBERED = 10_000
_TRIES = 2

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account can spend, and what is held for its running jobs."""

    available_microusd: int
    held_microusd: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request costs this account, promised until then."""

    quote_id: str
    amount_microusd: int
    price_version: int
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A price that is announced. An account pays it from its date on, or later if it is told later."""

    unit_price_microusd: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class PriceList:
    """Micro-dollars per unit of each SKU now, and the next price of those that will change."""

    now: Mapping[str, int]
    upcoming: Mapping[str, Upcoming]


class BillingApi(Protocol):
    """What the gateway asks billing."""

    async def balance(self, account_id: UUID) -> Balance:
        """The balance now. Raises Unavailable."""
        ...

    async def prices(self, account_id: UUID, opened_at: datetime) -> "PriceList | None":
        """What this account pays, the last that billing told; None when it has told none yet."""
        ...

    async def quote(self, account_id: UUID, opened_at: datetime, sku: str, quantity: int) -> Quote:
        """The price of a request of this account. Raises Unavailable."""
        ...


class HttpBillingApi:
    """The real one."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None
        self._prices: dict[UUID, tuple[float, PriceList | None]] = {}

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def balance(self, account_id: UUID) -> Balance:
        """The balance now. Raises Unavailable."""
        found = await self._ask("GET", f"/internal/accounts/{account_id}/balance")
        return Balance(int(found["available_microusd"]), int(found["held_microusd"]))

    async def quote(self, account_id: UUID, opened_at: datetime, sku: str, quantity: int) -> Quote:
        """The price of a request of this account. Raises Unavailable."""
        found = await self._ask(
            "POST",
            "/internal/quote",
            json={
                "account_id": str(account_id),
                "account_opened_at": opened_at.isoformat(),
                "sku": sku,
                "quantity": quantity,
            },
        )
        return Quote(
            str(found["quote_id"]),
            int(found["amount_microusd"]),
            int(found["price_version"]),
            datetime.fromisoformat(found["valid_until"]),
        )

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A question about money that a payment provider may have to answer first.

        Raises NotFound, PaymentRefused and the like with billing's own code and sentence; Unavailable.
        """
        return await self._ask(method, path, json=body, timeout=_SLOW, tries=1)

    async def prices(self, account_id: UUID, opened_at: datetime) -> PriceList | None:
        """The account's prices, remembered for half a minute, and while billing is away."""
        until, known = self._prices.get(account_id, (0.0, None))
        if time.monotonic() < until:
            return known
        path = f"/internal/prices?account_id={account_id}&account_opened_at={quote(opened_at.isoformat())}"
        try:
            known, life_s = _price_list(await self._ask("GET", path)), _PRICES_LIFE_S
        except Unavailable:
            life_s = _ASK_AGAIN_S
        if len(self._prices) >= _MAX_REMEMBERED:
            self._prices.clear()
        self._prices[account_id] = (time.monotonic() + life_s, known)
        return known

    async def _ask(self, method: str, path: str, *, tries: int = _TRIES, **options: Any) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, headers=self._headers)
        for attempt in range(tries):
            try:
                async with self._session.request(method, self._base_url + path, **options) as response:
                    if response.status == 200:
                        return await response.json()
                    _raise_if_told(response.status, await response.json(content_type=None))
                    log.warning("billing_answers", status=response.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("billing_away", reason=type(error).__name__)
            if attempt + 1 < tries:
                await asyncio.sleep(0.1)
        raise Unavailable("Balances and prices cannot be read at the moment; try again shortly.")


def _price_list(found: Any) -> PriceList:
    upcoming: dict[str, Upcoming] = {}
    for one in found["upcoming"]:  # soonest first
        upcoming.setdefault(
            str(one["sku"]),
            Upcoming(int(one["unit_price_microusd"]), datetime.fromisoformat(one["effective_at"])),
        )
    return PriceList({str(one["sku"]): int(one["unit_price_microusd"]) for one in found["prices"]}, upcoming)


_TOLD: dict[int, type[GatewayError]] = {
    402: PaymentDeclined,
    404: NotFound,
    409: OrderRefused,
    502: PaymentsUnavailable,
    503: PaymentsUnavailable,
}


def _raise_if_told(status: int, body: Any) -> None:
    """Billing's refusals in words for customers; other answers are nobody's business but the log's."""
    detail = body.get("detail") if isinstance(body, dict) else None
    if status in _TOLD and isinstance(detail, dict):
        raise _TOLD[status](detail["message"], code=detail["code"])
