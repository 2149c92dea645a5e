"""Subscriptions over simulated time: renewals, proration to the cent, dunning, ends, and the portal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from .conftest import Account
from .test_checkout import plan

START = int(datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp())
DAY = 86_400


async def subscribed(
    account: Account, price: stripe.Price, method: str = "pm_card_visa", start: int = START
) -> tuple[str, stripe.Subscription]:
    """A subscription that lives by a clock of its own; the clock's id and it."""
    v1 = account.client.v1
    clock = await v1.test_helpers.test_clocks.create_async({"frozen_time": start})
    customer = await v1.customers.create_async({"test_clock": clock.id, "email": "a@example.org"})
    attached = await v1.payment_methods.attach_async(method, {"customer": customer.id})
    await v1.customers.update_async(customer.id, {"invoice_settings": {"default_payment_method": attached.id}})
    made = await v1.subscriptions.create_async({"customer": customer.id, "items": [{"price": price.id}]})
    return clock.id, made


async def advance(account: Account, clock: str, to: int) -> None:
    await account.client.v1.test_helpers.test_clocks.advance_async(clock, {"frozen_time": to})


async def invoices(account: Account, subscription: str) -> list[stripe.Invoice]:
    """Oldest first."""
    found = await account.client.v1.invoices.list_async({"subscription": subscription, "limit": 100})
    return found.data[::-1]


async def test_a_year_has_twelve_renewals_on_the_right_days(account: Account) -> None:
    clock, subscription = await subscribed(account, await plan(account))
    await advance(account, clock, int(datetime(2028, 1, 31, 14, tzinfo=UTC).timestamp()))
    found = await invoices(account, subscription.id)
    assert [one.billing_reason for one in found] == ["subscription_create"] + ["subscription_cycle"] * 12
    assert {(one.status, one.amount_paid) for one in found} == {("paid", 2_000)}
    days = [datetime.fromtimestamp(one.lines.data[0].period.start, UTC).strftime("%m-%d") for one in found]
    assert days == ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31",
                    "11-30", "12-31", "01-31"]  # fmt: skip
    await account.delivered()
    assert account.inbox.types().count("invoice.paid") == 13


async def test_an_upgrade_is_prorated_to_the_cent(account: Account) -> None:
    v1 = account.client.v1
    cheap, dear = await plan(account, 2_000, "Studio"), await plan(account, 10_000, "House")
    clock, subscription = await subscribed(account, cheap, start=int(datetime(2027, 4, 1, tzinfo=UTC).timestamp()))
    await advance(account, clock, int(datetime(2027, 4, 11, tzinfo=UTC).timestamp()))
    item = subscription["items"]["data"][0]
    changed = await v1.subscriptions.update_async(
        subscription.id,
        {"items": [{"id": item["id"], "price": dear.id}], "proration_behavior": "always_invoice"},
    )
    assert changed["items"]["data"][0]["price"]["id"] == dear.id
    (_, upgrade) = await invoices(account, subscription.id)
    assert (upgrade.billing_reason, upgrade.status) == ("subscription_update", "paid")
    assert [line.amount for line in upgrade.lines.data] == [-1_333, 6_667]  # 20 of 30 days
    assert upgrade.amount_paid == 5_334
    for line in upgrade.lines.data:
        assert line.parent is not None and line.parent.subscription_item_details is not None
        assert line.parent.subscription_item_details.proration
    await advance(account, clock, int(datetime(2027, 5, 1, 2, tzinfo=UTC).timestamp()))
    assert (await invoices(account, subscription.id))[-1].amount_paid == 10_000


async def test_what_a_downgrade_gives_back_pays_the_next_invoice(account: Account) -> None:
    v1 = account.client.v1
    cheap, dear = await plan(account, 2_000, "Studio"), await plan(account, 10_000, "House")
    clock, subscription = await subscribed(account, dear, start=int(datetime(2027, 4, 1, tzinfo=UTC).timestamp()))
    await advance(account, clock, int(datetime(2027, 4, 16, tzinfo=UTC).timestamp()))
    item = subscription["items"]["data"][0]
    params: Any = {"items": [{"id": item["id"], "price": cheap.id}]}
    await v1.subscriptions.update_async(subscription.id, params)
    assert len(await invoices(account, subscription.id)) == 1, "nothing is due before the period ends"
    await advance(account, clock, int(datetime(2027, 5, 1, 2, tzinfo=UTC).timestamp()))
    last = (await invoices(account, subscription.id))[-1]
    assert (last.total, last.amount_due) == (-5_000 + 1_000 + 2_000, 0)
    customer = await v1.customers.retrieve_async(str(subscription.customer))
    assert customer.balance == -2_000
    await advance(account, clock, int(datetime(2027, 6, 1, 2, tzinfo=UTC).timestamp()))
    assert (await invoices(account, subscription.id))[-1].amount_due == 0


async def test_an_upgrade_whose_card_fails_changes_nothing(account: Account) -> None:
    v1 = account.client.v1
    cheap, dear = await plan(account, 2_000), await plan(account, 10_000)
    clock, subscription = await subscribed(account, cheap)
    bad = await v1.payment_methods.attach_async(
        "pm_card_chargeCustomerFail", {"customer": str(subscription.customer)}
    )
    await v1.subscriptions.update_async(subscription.id, {"default_payment_method": bad.id})
    item = subscription["items"]["data"][0]
    await advance(account, clock, START + 10 * DAY)
    with pytest.raises(stripe.CardError):
        await v1.subscriptions.update_async(
            subscription.id,
            {"items": [{"id": item["id"], "price": dear.id}], "proration_behavior": "always_invoice",
             "payment_behavior": "error_if_incomplete"},
        )  # fmt: skip
    now = await v1.subscriptions.retrieve_async(subscription.id)
    assert now["items"]["data"][0]["price"]["id"] == cheap.id


async def test_a_subscription_that_is_cancelled_ends_with_its_period(account: Account) -> None:
    v1 = account.client.v1
    clock, subscription = await subscribed(account, await plan(account))
    ending = await v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    assert (ending.status, ending.cancel_at_period_end) == ("active", True)
    assert ending.cancel_at == ending["items"]["data"][0]["current_period_end"]
    await advance(account, clock, START + 40 * DAY)
    ended = await v1.subscriptions.retrieve_async(subscription.id)
    assert ended.status == "canceled"
    assert len(await invoices(account, subscription.id)) == 1
    await account.delivered()
    assert account.inbox.types().count("customer.subscription.deleted") == 1


@pytest.mark.parametrize(("ends", "status"), [("cancel", "canceled"), ("unpaid", "unpaid")])
async def test_a_renewal_that_fails_is_asked_for_again_and_given_up(account: Account, ends: str, status: str) -> None:
    v1 = account.client.v1
    await account.dial(dunning_ends=ends)
    clock, subscription = await subscribed(account, await plan(account))
    bad = await v1.payment_methods.attach_async(
        "pm_card_chargeCustomerFail", {"customer": str(subscription.customer)}
    )
    await v1.subscriptions.update_async(subscription.id, {"default_payment_method": bad.id})
    await advance(account, clock, START + 29 * DAY)
    late = await v1.subscriptions.retrieve_async(subscription.id)
    assert late.status == "past_due"
    await advance(account, clock, START + 29 * DAY + 20 * DAY)
    assert (await v1.subscriptions.retrieve_async(subscription.id)).status == status
    failed = (await invoices(account, subscription.id))[1]
    assert (failed.status, failed.attempt_count) == ("open", 4)
    await account.delivered()
    assert account.inbox.types().count("invoice.payment_failed") == 4


async def test_a_late_payment_makes_it_well_again(account: Account) -> None:
    v1 = account.client.v1
    clock, subscription = await subscribed(account, await plan(account))
    bad = await v1.payment_methods.attach_async(
        "pm_card_chargeCustomerFail", {"customer": str(subscription.customer)}
    )
    await v1.subscriptions.update_async(subscription.id, {"default_payment_method": bad.id})
    await advance(account, clock, START + 29 * DAY)
    good = await v1.payment_methods.attach_async("pm_card_visa", {"customer": str(subscription.customer)})
    await v1.subscriptions.update_async(subscription.id, {"default_payment_method": good.id})
    open_ = (await invoices(account, subscription.id))[1]
    paid = await v1.invoices.pay_async(open_.id, {"payment_method": good.id})
    assert paid.status == "paid"
    assert (await v1.subscriptions.retrieve_async(subscription.id)).status == "active"


async def test_a_clock_does_not_go_back(account: Account) -> None:
    clock = await account.client.v1.test_helpers.test_clocks.create_async({"frozen_time": START})
    with pytest.raises(stripe.InvalidRequestError, match="forward"):
        await advance(account, clock.id, START - 1)


async def test_the_portal_changes_cancels_and_resumes(account: Account) -> None:
    v1 = account.client.v1
    cheap, dear = await plan(account, 2_000, "Studio"), await plan(account, 10_000, "House")
    clock, subscription = await subscribed(account, cheap)
    portal = await v1.billing_portal.sessions.create_async(
        {"customer": str(subscription.customer), "return_url": "http://shop.example/billing"}
    )
    _, _, text = await account.browse("GET", portal.url)
    assert "Studio, $20.00 a month, active, renews on 28 February 2027" in text
    assert "http://shop.example/billing" in text
    await advance(account, clock, START + int(timedelta(days=14).total_seconds()))
    _, _, text = await account.browse("POST", portal.url, action="plan", price=dear.id)
    assert "House, $100.00 a month" in text
    assert (await invoices(account, subscription.id))[-1].amount_paid == 4_000
    _, _, text = await account.browse("POST", portal.url, action="cancel")
    assert "ends on 28 February 2027" in text
    _, _, text = await account.browse("POST", portal.url, action="resume")
    assert "renews on 28 February 2027" in text
    status, _, text = await account.browse("POST", portal.url, action="card", number="123")
    assert (status, "card number is invalid" in text) == (402, True)
    await account.browse("POST", portal.url, action="card", number="5555555555554444")
    now = await v1.subscriptions.retrieve_async(subscription.id, {"expand": ["default_payment_method"]})
    assert isinstance(now.default_payment_method, stripe.PaymentMethod)
    assert now.default_payment_method.card is not None
    assert now.default_payment_method.card.last4 == "4444"
