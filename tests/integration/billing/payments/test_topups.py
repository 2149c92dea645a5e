"""The card on file pays when credits run low: once, within the month's limit, and never without its owner's leave."""

import asyncio
from uuid import UUID

import pytest

from billing.payments.selling import CannotSell
from common.ids import new_id
from support.ledger import PRICE, a_job

from .conftest import CARD, Shop

CENT = 10_000


async def with_card(shop: Shop, number: str = CARD, *, cap_cents: int = 3_000) -> UUID:
    """A customer with a card on file who is topped up by $10 below 1,000 credits."""
    account = new_id()
    url = await shop.payments.selling.keep_card(account, "ada@example.org", "http://shop.example/")
    form = {"email": "ada@example.org", "number": number, "expiry": "12/34", "cvc": "123", "name": "Ada"}
    async with shop.http.post(url, data=form, allow_redirects=False) as answer:
        assert answer.status == 303
        where = answer.headers["location"]
    if "/3ds/" in where:
        async with shop.http.post(where, data={"answer": "complete"}, allow_redirects=False) as bank:
            assert bank.status == 303
    await shop.settled()
    await shop.ledger.moves.add(grant_of(account))
    await shop.payments.topping_up.allow(account, 1_000_000, "credits-10", cap_cents, on=True)
    return account


def grant_of(account: UUID):
    from billing.repository.moves import Move

    return Move(f"grant:{account}", "grant", account, "granted", 1, "so that it is known")


async def spend_all(shop: Shop, account: UUID) -> None:
    have = sum((await shop.ledger.pots(account))[:3])
    if have >= PRICE:
        job = a_job(account, quantity=have // PRICE)
        await shop.ledger.hold(job)


async def test_it_is_paid_once_when_the_balance_is_low_and_not_when_it_is_not(shop: Shop) -> None:
    account = await with_card(shop)
    await asyncio.gather(*(shop.payments.topping_up.run() for _ in range(5)))
    await shop.settled()
    assert (await shop.ledger.pots(account))[2] == 1_000 * CENT
    assert await shop.payments.topping_up.run() == 0
    await shop.settled()
    assert await shop.brought_cents(account) == pytest.approx(1_000, abs=0.001)


async def test_a_month_costs_no_more_than_was_allowed(shop: Shop) -> None:
    account = await with_card(shop, cap_cents=2_500)
    for _ in range(5):
        await shop.payments.topping_up.run()
        await shop.settled()
        await spend_all(shop, account)
    assert round(await shop.brought_cents(account)) == 2_000
    shown = await shop.payments.topping_up.read(account)
    assert shown is not None
    assert (shown["state"], shown["month_spent_cents"], shown["problem"]) == ("on", 2_000, "month_cap_reached")


@pytest.mark.parametrize(
    ("number", "problem"),
    [("4000 0027 6000 3184", "authentication_required"), ("4000 0000 0000 0341", "card_declined")],
)
async def test_a_card_that_wants_its_owner_ends_it_and_is_not_tried_again(
    shop: Shop, number: str, problem: str
) -> None:
    account = await with_card(shop, number)
    assert await shop.payments.topping_up.run() == 1
    await shop.settled()
    shown = await shop.payments.topping_up.read(account)
    assert shown is not None
    assert (shown["state"], shown["problem"], shown["month_spent_cents"]) == ("needs_customer", problem, 0)
    assert await shop.payments.topping_up.run() == 0
    assert round(await shop.brought_cents(account)) == 0


async def test_after_an_answer_that_got_lost_the_same_payment_goes_on(shop: Shop) -> None:
    account = await with_card(shop)
    await shop.dial(scenario="reset_after_success", on=["POST /v1/payment_intents"], times=9)
    assert await shop.payments.topping_up.run() == 1
    await shop.dial()
    await shop.ledger.database.execute("update topups set next_at = clock_timestamp()")
    await shop.payments.topping_up.run()
    await shop.settled()
    assert (await shop.ledger.pots(account))[2] == 1_000 * CENT
    assert round(await shop.brought_cents(account)) == 1_000
    shown = await shop.payments.topping_up.read(account)
    assert shown is not None and shown["month_spent_cents"] == 1_000


async def test_without_a_card_or_with_a_limit_below_one_package_it_cannot_be_allowed(shop: Shop) -> None:
    topping_up = shop.payments.topping_up
    with pytest.raises(CannotSell, match="card"):
        await topping_up.allow(new_id(), 1_000, "credits-10", 1_000, on=True)
    with pytest.raises(CannotSell, match="limit"):
        await topping_up.allow(new_id(), 1_000, "credits-10", 999, on=True)
    with pytest.raises(CannotSell, match="package"):
        await topping_up.allow(new_id(), 1_000, "credits-11", 1_000, on=True)


async def test_switched_off_it_pays_nothing(shop: Shop) -> None:
    account = await with_card(shop)
    await shop.payments.topping_up.allow(account, 1_000_000, "credits-10", 3_000, on=False)
    assert await shop.payments.topping_up.run() == 0


async def test_the_reconciler_finds_a_topup_nobody_told_of(shop: Shop) -> None:
    account = await with_card(shop)
    await shop.dial(scenario="lost")
    due = await shop.payments.topping_up._topups.begin({"credits-10": 1_000}, 10, 60)
    order = await shop.payments.orders.find(due[0].order_id)
    customer = await shop.payments.orders.customer_of(account)
    assert order is not None and customer is not None
    card = await shop.payments.client.card_of(customer)
    assert card is not None
    marked = {"order_id": str(order.order_id), "account_id": str(account)}
    await shop.payments.client.charge_card(order.order_id.hex, customer, card, 1_000, "usd", marked)
    assert round(await shop.brought_cents(account)) == 0
    await shop.payments.reconciler.run()
    assert round(await shop.brought_cents(account)) == 1_000
