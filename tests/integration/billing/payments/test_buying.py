"""Credits for money, to the cent, once; and what happens to them when the money goes back."""

import asyncio
import os
import sys
from typing import Any

import pytest

from billing.payments.selling import CannotSell
from common.contracts import JobRejected, JobReserved
from common.ids import new_id
from support.ledger import PRICE, a_job

from .conftest import DECLINED, SECRET, Shop

CENT = 10_000


async def test_a_package_is_paid_and_its_credits_are_there(shop: Shop) -> None:
    bought = await shop.order(offer="credits-50")
    assert await bought.state() == "open"
    assert await bought.pay() == 303
    await shop.settled()
    assert await bought.state() == "paid"
    assert await shop.ledger.pots(bought.account) == (0, 0, 5_000 * CENT, 0)


async def test_a_declined_card_brings_nothing_and_another_one_brings_it_once(shop: Shop) -> None:
    bought = await shop.order()
    assert await bought.pay(DECLINED) == 402
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 0, 0)
    assert await bought.pay("4000 0027 6000 3184") == 303
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 1_000 * CENT, 0)


async def test_an_order_asked_for_again_is_the_same_order(shop: Shop) -> None:
    account, order_id = new_id(), new_id()
    asked: Any = {
        "order_id": order_id,
        "account_id": account,
        "email": "a@b.c",
        "kind": "package",
        "offer_id": "credits-10",
        "success_url": "http://x.example/",
        "cancel_url": "http://x.example/",
    }
    (first, page), (again, same) = [await shop.payments.selling.order(**asked) for _ in range(2)]
    assert (first.order_id, page) == (again.order_id, same)
    with pytest.raises(CannotSell):
        await shop.payments.selling.order(**{**asked, "offer_id": "credits-50"})
    with pytest.raises(CannotSell, match="credits-10"):
        await shop.payments.selling.order(**{**asked, "order_id": new_id(), "offer_id": "credits-7"})


async def test_tax_and_time_outs_change_nothing_about_the_credits(shop: Shop) -> None:
    await shop.dial(scenario="timeout_after_success", times=1, tax_percent=19)
    bought = await shop.order()
    await bought.pay()
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 1_000 * CENT, 0)


async def test_a_refund_takes_the_same_fraction_back(shop: Shop) -> None:
    bought = await shop.bought("credits-50")
    intent = await intent_of(shop, bought.order_id)
    for part in (1_333, 1_667):
        await shop.payments.client.refund(intent, part, f"{bought.order_id}:{part}")
        await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 2_000 * CENT, 0)
    await shop.payments.client.refund(intent, None, f"{bought.order_id}:rest")
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 0, 0)
    assert await shop.brought_cents(bought.account) == 0


async def test_a_refund_of_what_was_spent_is_owed_and_no_pot_is_negative(shop: Shop) -> None:
    bought = await shop.bought()
    job = a_job(bought.account, quantity=300)
    assert isinstance(await shop.ledger.hold(job), JobReserved)
    await shop.payments.client.refund(await intent_of(shop, bought.order_id), None, str(bought.order_id))
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 0, 300 * PRICE)
    assert await owed(shop, bought.account) == -300 * PRICE


async def test_a_dispute_takes_the_credits_and_suspends_and_one_that_is_won_undoes_both(shop: Shop) -> None:
    bought = await shop.order()
    assert await bought.pay("4000 0000 0000 0259") == 303
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 0, 0)
    refused = await shop.ledger.hold(a_job(bought.account))
    assert isinstance(refused, JobRejected)
    assert refused.error.code == "account_suspended"
    dispute = await only_dispute(shop)
    async with shop.http.post(
        f"{shop.stripe_url}/v1/test_helpers/disputes/{dispute}/decide", data={"won": "true"},
        headers={"authorization": "Bearer sk_test_shop"},
    ) as decided:  # fmt: skip
        assert decided.status == 200
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 1_000 * CENT, 0)
    assert isinstance(await shop.ledger.hold(a_job(bought.account)), JobReserved)


async def test_a_plan_brings_its_credits_is_upgraded_and_cancelled(shop: Shop) -> None:
    bought = await shop.subscribed("starter")
    assert await shop.ledger.pots(bought.account) == (2_000 * CENT, 0, 0, 0)
    selling = shop.payments.selling
    with pytest.raises(CannotSell, match="change its plan"):
        await shop.order("plan", "studio", bought.account)
    await selling.change_plan(bought.account, "studio")
    await shop.settled()
    now = await selling.subscription(bought.account)
    assert (now["plan"], now["status"]) == ("studio", "active")
    paid = await shop.brought_cents(bought.account)
    assert 9_990 <= paid <= 10_000, "a moment of the cheaper month was used"
    await selling.end(bought.account, ends=True)
    await shop.settled()
    assert (await selling.subscription(bought.account))["cancel_at_period_end"]
    await selling.end(bought.account, ends=False)
    assert not (await selling.subscription(bought.account))["cancel_at_period_end"]
    assert (await selling.portal(bought.account, "http://shop.example/")).startswith(shop.stripe_url)
    bills = await selling.invoices(bought.account)
    assert [bill["status"] for bill in bills] == ["paid", "paid"]
    async with shop.http.get(bills[0]["pdf_url"]) as pdf:
        assert (await pdf.read()).startswith(b"%PDF-")


async def test_an_upgrade_whose_card_is_declined_changes_nothing_and_says_why(shop: Shop) -> None:
    from billing.payments.stripe_client import StripeRefused

    bought = await shop.order("plan", "starter")
    assert await bought.pay("4000 0000 0000 0341") == 402, "this card can be kept and not charged"
    assert await bought.pay() == 303
    await shop.settled()
    page = await shop.payments.selling.portal(bought.account, "http://shop.example/")
    async with shop.http.post(page, data={"action": "card", "number": "4000000000000341"}) as changed:
        assert changed.status == 200
    with pytest.raises(StripeRefused) as refused:
        await shop.payments.selling.change_plan(bought.account, "scale")
    assert refused.value.card
    assert (await shop.payments.selling.subscription(bought.account))["plan"] == "starter"
    assert await shop.ledger.pots(bought.account) == (2_000 * CENT, 0, 0, 0)


async def test_the_portal_offers_every_plan(shop: Shop) -> None:
    await shop.dial(scenario="500", on=["GET /v1/prices"], times=1)
    await shop.payments.prepare()
    await shop.payments.prepare()
    bought = await shop.subscribed("starter")
    async with shop.http.get(await shop.payments.selling.portal(bought.account, "http://shop.example/")) as page:
        text = await page.text()
    assert [text.count(f"{plan} $") for plan in ("Starter", "Studio", "Scale")] == [1, 1, 1]


async def test_a_page_that_expired_ends_its_order(shop: Shop) -> None:
    bought = await shop.order()
    found = await shop.payments.orders.find(bought.order_id)
    assert found is not None
    async with shop.http.post(
        f"{shop.stripe_url}/v1/checkout/sessions/{found.session_id}/expire",
        headers={"authorization": "Bearer sk_test_shop"},
    ) as expired:
        assert expired.status == 200
    await shop.settled()
    assert await bought.state() == "expired"


async def test_many_workers_on_one_payment_book_it_once(shop: Shop) -> None:
    bought = await shop.order()
    await bought.pay()
    found = await shop.payments.orders.find(bought.order_id)
    assert found is not None and found.session_id is not None
    await asyncio.gather(*(shop.payments.sync.session(found.session_id) for _ in range(20)))
    await shop.settled()
    assert await shop.ledger.pots(bought.account) == (0, 0, 1_000 * CENT, 0)


async def intent_of(shop: Shop, order_id: object) -> str:
    found = await shop.payments.orders.find(order_id)  # type: ignore[arg-type]
    assert found is not None and found.session_id is not None
    return str((await shop.payments.client.session(found.session_id)).payment_intent)


async def only_dispute(shop: Shop) -> str:
    async for one in shop.payments.client.since("dispute", 0):
        return str(one.id)
    raise AssertionError("no dispute")


async def owed(shop: Shop, account: object) -> int:
    rows = await shop.ledger.database.fetch(
        "select balance_microusd from audit_balances where account_id = %(account)s and purpose = 'receivable'",
        {"account": account},
    )
    balance: int = rows[0]["balance_microusd"]
    return balance


async def test_money_is_given_back_from_the_command_line_once(shop: Shop) -> None:
    bought = await shop.bought()
    intent = await intent_of(shop, bought.order_id)
    environment = {
        "PATH": os.environ["PATH"],
        "BILLING_DATABASE_URL": shop.ledger.urls.service_url,
        "AMQP_URL": "amqp://unused",
        "INTERNAL_TOKEN": "token-of-the-tests",
        "STRIPE_API_KEY": "sk_test_shop",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_API_BASE": shop.stripe_url,
    }
    for _ in range(2):
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "billing", "payments", "refund", intent, "--cents", "250"),
            *("--operation", "kindness"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await run.communicate()
        assert run.returncode == 0, err.decode()
        assert b'"cents": 250' in out
    assert await shop.ledger.pots(bought.account) == (0, 0, 750 * CENT, 0)
