"""The Checkout page: paid, declined and tried again, authenticated, expired; and what follows."""

import re
from typing import Any
from urllib.parse import urljoin

import pytest
import stripe

from .conftest import Account

PACKAGE: Any = {
    "price_data": {"currency": "usd", "unit_amount": 5_000, "product_data": {"name": "50,000 credits"}},
    "quantity": 1,
}


async def session_for(account: Account, mode: str = "payment", **other: Any) -> stripe.checkout.Session:
    params: Any = {
        "mode": mode,
        "success_url": "http://shop.example/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.example/back",
        "client_reference_id": "order-7",
        "metadata": {"order": "7"},
        **({} if mode == "setup" else {"line_items": [PACKAGE]}),
        **other,
    }
    return await account.client.v1.checkout.sessions.create_async(params)


async def plan(account: Account, amount: int = 2_000, name: str = "Studio") -> stripe.Price:
    return await account.client.v1.prices.create_async(
        {"currency": "usd", "unit_amount": amount, "recurring": {"interval": "month"}, "product_data": {"name": name}}
    )


async def test_a_package_is_paid_on_the_page(account: Account) -> None:
    session = await session_for(account, payment_intent_data={"metadata": {"order": "7"}})
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 5_000)
    status, where, _ = await account.pay(str(session.url))
    assert (status, where) == (303, f"http://shop.example/done?session={session.id}")
    session = await account.client.v1.checkout.sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert isinstance(session.payment_intent, stripe.PaymentIntent)
    assert session.payment_intent.status == "succeeded"
    assert session.payment_intent.metadata.to_dict() == {"order": "7"}
    await account.delivered()
    assert sorted(account.inbox.types()) == [
        "charge.succeeded",
        "checkout.session.completed",
        "payment_intent.created",
        "payment_intent.succeeded",
        "price.created",
        "product.created",
    ]


async def test_a_declined_card_is_told_on_the_page_and_another_one_pays_once(account: Account) -> None:
    session = await session_for(account)
    status, _, text = await account.pay(str(session.url), "4000 0000 0000 9995")
    assert (status, "insufficient funds" in text) == (402, True)
    status, _, text = await account.pay(str(session.url), "1234")
    assert (status, "card number is invalid" in text) == (402, True)
    assert (await account.pay(str(session.url)))[0] == 303
    assert (await account.browse("GET", str(session.url)))[0] == 303, "a second press finds it paid"
    charges = (await account.client.v1.charges.list_async()).data
    assert sorted(one.status for one in charges) == ["failed", "succeeded"]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("expiry", "13/34", "expiration date"), ("expiry", "01/20", "in the past"), ("cvc", "1", "security code"),
     ("email", "nobody", "email is incomplete")],
)  # fmt: skip
async def test_an_incomplete_form_is_told_and_charges_nothing(
    account: Account, field: str, value: str, says: str
) -> None:
    session = await session_for(account)
    status, _, text = await account.pay(str(session.url), **{field: value})
    assert (status, says in text) == (402, True)
    assert (await account.client.v1.charges.list_async()).data == []


@pytest.mark.parametrize("confirmed", [True, False])
async def test_the_bank_asks_first(account: Account, confirmed: bool) -> None:
    session = await session_for(account)
    status, bank, _ = await account.pay(str(session.url), "4000 0027 6000 3184")
    assert (status, "/3ds/" in bank) == (303, True)
    status, where, text = await account.browse("POST", bank, answer="complete" if confirmed else "fail")
    if confirmed:
        assert (status, where) == (303, f"http://shop.example/done?session={session.id}")
    else:
        assert (status, "failed authentication" in text) == (402, True)
    session = await account.client.v1.checkout.sessions.retrieve_async(session.id)
    assert session.payment_status == ("paid" if confirmed else "unpaid")


async def test_whom_the_bank_refused_may_try_again_on_the_page_before_them(account: Account) -> None:
    session = await session_for(account)
    _, bank, _ = await account.pay(str(session.url), "4000 0027 6000 3184")
    _, _, text = await account.browse("POST", bank, answer="fail")
    action = re.search(r'<form method="post" action="([^"]*)"', text)
    assert action is not None, "the form would be sent to the bank's page, which has nothing to confirm any more"
    again = urljoin(str(session.url), action[1])
    assert again == str(session.url)
    assert (await account.pay(again))[0] == 303
    session = await account.client.v1.checkout.sessions.retrieve_async(session.id)
    assert session.payment_status == "paid"


async def test_tax_and_discount_are_told_apart_from_the_amount(account: Account) -> None:
    await account.dial(tax_percent=20)
    coupon = await account.client.v1.coupons.create_async({"percent_off": 10, "duration": "once"})
    session = await session_for(account, automatic_tax={"enabled": True}, discounts=[{"coupon": coupon.id}])
    assert session.total_details is not None
    assert (session.amount_subtotal, session.total_details.amount_discount) == (5_000, 500)
    assert (session.total_details.amount_tax, session.amount_total) == (900, 5_400)
    await account.pay(str(session.url))
    (charge,) = (await account.client.v1.charges.list_async()).data
    assert charge.amount == 5_400


async def test_a_receipt_in_the_form_of_an_invoice(account: Account) -> None:
    customer = await account.client.v1.customers.create_async({"email": "a@example.org"})
    session = await session_for(account, customer=customer.id, invoice_creation={"enabled": True})
    await account.pay(str(session.url))
    (invoice,) = (await account.client.v1.invoices.list_async({"customer": customer.id})).data
    assert (invoice.status, invoice.amount_paid, invoice.metadata and invoice.metadata["order"]) == (
        "paid",
        5_000,
        "7",
    )
    async with account.http.get(str(invoice.invoice_pdf)) as pdf:
        body = await pdf.read()
    assert body.startswith(b"%PDF-")
    assert b"%%EOF" in body
    assert (await account.browse("GET", str(invoice.hosted_invoice_url)))[0] == 200


async def test_a_card_is_kept_for_later(account: Account) -> None:
    v1 = account.client.v1
    customer = await v1.customers.create_async({})
    session = await session_for(account, "setup", customer=customer.id)
    await account.pay(str(session.url))
    (method,) = (await v1.payment_methods.list_async({"customer": customer.id})).data
    intent = await v1.payment_intents.create_async(
        {"amount": 1_000, "currency": "usd", "customer": customer.id, "payment_method": method.id,
         "off_session": True, "confirm": True}
    )  # fmt: skip
    assert intent.status == "succeeded"


async def test_a_plan_is_subscribed_on_the_page(account: Account) -> None:
    v1 = account.client.v1
    customer = await v1.customers.create_async({"email": "a@example.org"})
    price = await plan(account)
    session = await session_for(
        account, "subscription", customer=customer.id, line_items=[{"price": price.id, "quantity": 1}],
        subscription_data={"metadata": {"account": "7"}},
    )  # fmt: skip
    status, _, text = await account.pay(str(session.url), "4000 0000 0000 0002")
    assert (status, "declined" in text) == (402, True)
    assert (await account.pay(str(session.url)))[0] == 303
    session = await v1.checkout.sessions.retrieve_async(session.id)
    subscription = await v1.subscriptions.retrieve_async(str(session.subscription), {"expand": ["latest_invoice"]})
    assert (subscription.status, subscription.metadata.to_dict()) == ("active", {"account": "7"})
    invoice = subscription.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (invoice.billing_reason, invoice.status, invoice.amount_paid) == ("subscription_create", "paid", 2_000)
    assert invoice.parent is not None and invoice.parent.subscription_details is not None
    assert invoice.parent.subscription_details.subscription == subscription.id
    await account.delivered()
    assert account.inbox.types().count("invoice.paid") == 1


async def test_an_expired_page_takes_no_money(account: Account) -> None:
    session = await session_for(account)
    url = str(session.url)
    expired = await account.client.v1.checkout.sessions.expire_async(session.id)
    assert expired.status == "expired"
    assert (await account.browse("GET", url))[0] == 404
    assert (await account.browse("POST", url, number="4242424242424242"))[0] == 404
    with pytest.raises(stripe.InvalidRequestError):
        await account.client.v1.checkout.sessions.expire_async(session.id)
    await account.delivered()
    assert account.inbox.types().count("checkout.session.expired") == 1
    assert (await account.client.v1.charges.list_async()).data == []


async def test_a_session_that_makes_no_sense_is_refused(account: Account) -> None:
    for wrong in ({"line_items": []}, {"line_items": [{"price": "price_none"}]}, {"mode": "gift"}):
        with pytest.raises(stripe.InvalidRequestError):
            await session_for(account, **{"mode": "payment", **wrong})
    recurring = await plan(account)
    with pytest.raises(stripe.InvalidRequestError, match="recurring"):
        await session_for(account, line_items=[{"price": recurring.id}])
