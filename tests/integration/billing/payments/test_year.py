"""A year of business with everything that can go wrong on the way: credits equal dollars, to the cent, once (L9)."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from typing import Any
from uuid import UUID

import pytest

from billing.payments.inbox import received
from common.ids import new_id
from support.ledger import Ledger
from support.sizes import size

from .conftest import CARD, DECLINED, Shop, a_shop, insisted

PURCHASES = size(test=60, prove=1_000)
SUBSCRIPTIONS = size(test=12, prove=200)
MONTHS = size(test=4, prove=12)
CLOCKS = 4
START, MONTH_S = 1_800_000_000, 31 * 86_400
OFFERS = ("credits-10", "credits-50", "credits-200", "credits-1000")
PLANS = ("starter", "studio", "scale")


async def side_by_side(work: Iterable[Awaitable[Any]], at_once: int = 12) -> list[Any]:
    places = asyncio.Semaphore(at_once)

    async def one(awaitable: Awaitable[Any]) -> Any:
        async with places:
            return await awaitable

    return await asyncio.gather(*(one(awaitable) for awaitable in work))


async def buy(shop: Shop, dice: random.Random) -> UUID:
    """One customer: sometimes a declined card first, sometimes 3-D Secure, sometimes a refund afterwards."""
    bought = await shop.order(offer=dice.choice(OFFERS))
    if dice.random() < 0.2:
        assert await bought.pay(DECLINED) == 402
    assert await bought.pay(dice.choice([CARD, "4000 0027 6000 3184"])) == 303
    if dice.random() < 0.15:
        found = await shop.payments.orders.find(bought.order_id)
        assert found is not None and found.session_id is not None
        intent = str((await shop.payments.client.session(found.session_id)).payment_intent)
        part = dice.choice([None, found.amount_cents // 3, 1])
        await insisted(lambda: shop.payments.client.refund(intent, part, str(bought.order_id)))
    return bought.account


async def api(shop: Shop, path: str, **params: Any) -> Any:
    """A call of Stripe's API that billing itself never makes, until it is answered."""
    headers = {"authorization": "Bearer sk_test_shop", "idempotency-key": str(new_id())}
    for _ in range(20):
        try:
            async with shop.http.post(f"{shop.stripe_url}/v1/{path}", data=params, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()
        except OSError:
            continue
    raise AssertionError("Stripe never answered")


async def subscribe(shop: Shop, clock: str, dice: random.Random) -> UUID:
    """A customer who lives by a test clock, on a plan."""
    account = new_id()
    customer = await api(shop, "customers", email="ada@example.org", test_clock=clock)
    await shop.payments.orders.remember(account, customer["id"])
    bought = await shop.order("plan", dice.choice(PLANS), account)
    assert await bought.pay() == 303
    return account


async def upgrade(shop: Shop, account: UUID) -> None:
    now = await shop.payments.selling.subscription(account)
    if now is not None and now["status"] == "active":
        await shop.payments.selling.change_plan(account, "scale" if now["plan"] != "scale" else "studio")


async def paid_cents(shop: Shop) -> dict[str, int]:
    """What each customer really paid, by Stripe's own charges, less what went back."""
    paid: dict[str, int] = defaultdict(int)
    page = await shop.payments.client._v1.charges.list_async({"limit": 100})
    async for charge in page.auto_paging_iter():
        if charge.paid:
            paid[str(charge.customer)] += charge.amount - charge.amount_refunded
    return paid


async def differences(shop: Shop, accounts: Iterable[UUID]) -> list[tuple[UUID, float, int]]:
    """Accounts whose credits are not what they paid."""
    paid, found = await paid_cents(shop), []
    for account in accounts:
        customer = await shop.payments.orders.customer_of(account)
        expected, brought = paid.get(str(customer), 0), await shop.brought_cents(account)
        # Fractions of a cent only where a part of a cent's credits was taken back: never, refunds are whole cents.
        if brought != expected:
            found.append((account, brought, expected))
    return found


@pytest.mark.timeout(2_400)
async def test_credits_equal_dollars_after_a_year_of_trouble(ledger: Ledger) -> None:
    dice = random.Random(7)
    before = received._metric.labels("forged")._value.get()
    async with a_shop(ledger, duplicates=5, shuffle_ms=300, forge=True) as shop:
        accounts: list[UUID] = await side_by_side(buy(shop, dice) for _ in range(PURCHASES // 2))
        await shop.settled(300)

        # Answers get lost after the deed is done.
        await shop.dial(
            scenario="reset_after_success", fail_ratio=0.15, seed=3, duplicates=5, shuffle_ms=300, forge=True
        )
        accounts += await side_by_side(buy(shop, dice) for _ in range(PURCHASES - PURCHASES // 2))
        clocks = [
            (await api(shop, "test_helpers/test_clocks", frozen_time=START + n * 86_400))["id"] for n in range(CLOCKS)
        ]
        subscribers: list[UUID] = await side_by_side(
            subscribe(shop, clocks[n % CLOCKS], dice) for n in range(SUBSCRIPTIONS)
        )
        await shop.settled(300)

        for month in range(1, MONTHS + 1):
            # Every third month the endpoint is away for days; Stripe goes on trying.
            trouble = {"scenario": "outage"} if month % 3 == 0 else {}
            await shop.dial(duplicates=5, shuffle_ms=300, forge=True, **trouble)
            for n, clock in enumerate(clocks):
                moment = START + n * 86_400 + month * MONTH_S
                await api(shop, f"test_helpers/test_clocks/{clock}/advance", frozen_time=moment)
            if month == 2:
                await side_by_side(upgrade(shop, account) for account in subscribers[::3])
            await shop.dial(duplicates=5, shuffle_ms=300, forge=True)
            await shop.settled(600)
        everybody = [*accounts, *subscribers]
        assert await differences(shop, everybody) == []

        # What Stripe gives up delivering, the reconciler finds: all of it, in one run.
        await shop.dial(scenario="lost")
        accounts += await side_by_side(buy(shop, dice) for _ in range(max(5, PURCHASES // 10)))
        for n, clock in enumerate(clocks):
            moment = START + n * 86_400 + (MONTHS + 1) * MONTH_S
            await api(shop, f"test_helpers/test_clocks/{clock}/advance", frozen_time=moment)
        everybody = [*accounts, *subscribers]
        missing = await differences(shop, everybody)
        assert len(missing) >= SUBSCRIPTIONS // 2
        found = await shop.payments.reconciler.run()
        assert await differences(shop, everybody) == []
        assert sum(found.values()) > 0
        assert set((await shop.payments.reconciler.run()).values()) == {0}

        forged = received._metric.labels("forged")._value.get() - before
        kept = await ledger.database.fetch("select event_id from stripe_events")
        page = await shop.payments.client._v1.events.list_async({"limit": 100})
        real = {event.id async for event in page.auto_paging_iter()}
        assert {row["event_id"] for row in kept} <= real
        assert forged > PURCHASES
        assert await shop.payments.events.waiting() == 0
    totals = await ledger.database.fetch(
        "select sum(balance_microusd) as n from audit_balances where purpose = 'outside'"
    )
    dollars = -int(totals[0]["n"]) / 1e6
    print(f"\n    {len(everybody)} customers, ${dollars:,.2f} for credits, {forged:.0f} forgeries refused")
