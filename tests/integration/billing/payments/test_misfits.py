"""What Stripe shows is checked against what we ordered; nothing else brings credits."""

import io
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from billing.payments.sync import Misfit
from billing.settings import BillingSettings
from common.ids import new_id
from simulators.stripe import sign

from .conftest import CARD, SECRET, Shop

AUTHORIZATION = {"authorization": "Bearer sk_test_shop"}


async def strange_page(shop: Shop, **params: Any) -> str:
    """A page that somebody else made in our Stripe account, paid; its session's id."""
    form = {
        "mode": "payment",
        "success_url": "http://x.example/",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "100000",
        "line_items[0][price_data][product_data][name]": "a stranger's",
        **params,
    }
    async with shop.http.post(f"{shop.stripe_url}/v1/checkout/sessions", data=form, headers=AUTHORIZATION) as made:
        session = await made.json()
        assert made.status == 200, session
    paid = {"email": "a@b.c", "number": CARD, "expiry": "12/34", "cvc": "123", "name": "A"}
    async with shop.http.post(session["url"], data=paid, allow_redirects=False) as answer:
        assert answer.status == 303
    return str(session["id"])


async def booked(shop: Shop) -> int:
    rows = await shop.ledger.database.fetch("select count(*) as n from transactions")
    return int(rows[0]["n"])


async def test_a_page_that_names_no_order_of_ours_brings_nothing(shop: Shop) -> None:
    session = await strange_page(shop, client_reference_id=str(new_id()))
    with pytest.raises(Misfit, match="no order"):
        await shop.payments.sync.event("checkout.session.completed", session)
    await shop.settled()
    assert await booked(shop) == 0
    assert await shop.payments.events.waiting() == 0


async def test_a_page_that_names_somebody_elses_order_brings_nothing(shop: Shop) -> None:
    bought = await shop.order(offer="credits-10")
    session = await strange_page(shop, client_reference_id=str(bought.order_id))
    with pytest.raises(Misfit, match="another page"):
        await shop.payments.sync.event("checkout.session.completed", session)
    assert await booked(shop) == 0


async def test_another_amount_than_was_ordered_brings_nothing_and_is_noted(shop: Shop) -> None:
    account, order_id = new_id(), new_id()
    await shop.payments.orders.place(
        {"order_id": order_id, "account_id": account, "kind": "package", "offer": "credits-10",
         "amount_cents": 1_000, "currency": "usd", "credits_microusd": 10_000_000}
    )  # fmt: skip
    other = {"line_items[0][price_data][unit_amount]": "1", "line_items[0][quantity]": "60"}
    session = await strange_page(shop, client_reference_id=str(order_id), **other)
    with pytest.raises(Misfit, match="60 cents"):
        await shop.payments.sync.event("checkout.session.completed", session)
    found = await shop.payments.orders.find(order_id)
    assert found is not None and found.problem is not None and found.state == "open"
    assert await booked(shop) == 0


async def test_another_currency_brings_nothing(shop: Shop) -> None:
    account, order_id = new_id(), new_id()
    await shop.payments.orders.place(
        {"order_id": order_id, "account_id": account, "kind": "package", "offer": "credits-1000",
         "amount_cents": 100_000, "currency": "usd", "credits_microusd": 1_000_000_000}
    )  # fmt: skip
    session = await strange_page(
        shop, client_reference_id=str(order_id), **{"line_items[0][price_data][currency]": "jpy"}
    )
    with pytest.raises(Misfit, match="jpy"):
        await shop.payments.sync.event("checkout.session.completed", session)
    assert await booked(shop) == 0


async def post(shop: Shop, body: bytes | io.BytesIO, signature: str) -> int:
    async with shop.http.post(shop.webhook_url, data=body, headers={"stripe-signature": signature}) as answer:
        return answer.status


async def test_only_what_stripe_signed_for_us_lately_in_our_mode_is_taken(shop: Shop) -> None:
    event: dict[str, Any] = {
        "id": "evt_1", "object": "event", "type": "invoice.paid", "livemode": False, "created": int(time.time()),
        "data": {"object": {"id": "in_1", "object": "invoice"}}, "api_version": "2026-10-28.endive",
    }  # fmt: skip
    body, now = json.dumps(event).encode(), int(time.time())
    live = json.dumps({**event, "livemode": True}).encode()
    assert await post(shop, body, sign("whsec_another_secret_of_that_length", body, now)) == 400
    assert await post(shop, body, sign(SECRET, body, now - 301)) == 400
    assert await post(shop, body + b" ", sign(SECRET, body, now)) == 400
    assert await post(shop, body, "") == 400
    assert await post(shop, body, "t=1,v1=00") == 400
    assert await post(shop, live, sign(SECRET, live, now)) == 400
    assert await post(shop, b"\xff", sign(SECRET, b"\xff", now)) == 400
    assert await post(shop, io.BytesIO(b"x" * 1_100_000), "") == 413
    assert await shop.payments.events.waiting() == 0
    assert await post(shop, body, sign(SECRET, body, now)) == 200
    assert await post(shop, body, sign(SECRET, body, now)) == 200
    assert await shop.payments.events.waiting() == 1
    await shop.settled()
    assert await shop.payments.events.waiting() == 0, "an invoice that does not exist is nobody's"


@pytest.mark.parametrize("secret", ["", "whsec_"])
def test_billing_does_not_start_with_a_key_and_without_a_secret(secret: str) -> None:
    given = {
        "database_url": "postgresql://x",
        "AMQP_URL": "amqp://x",
        "INTERNAL_TOKEN": "token-of-the-tests",
        "STRIPE_API_KEY": "sk_live_key",
    }
    with pytest.raises(ValidationError, match="STRIPE_WEBHOOK_SECRET"):
        BillingSettings.model_validate({**given, "STRIPE_WEBHOOK_SECRET": secret})
    assert BillingSettings.model_validate({**given, "STRIPE_API_KEY": ""}).stripe_api_key.get_secret_value() == ""
