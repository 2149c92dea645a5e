"""Cards, intents, refunds and disputes do what Stripe's test mode does."""

import pytest
import stripe

from simulators.stripe import CARDS

from .conftest import Account

DECLINED = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "expired_card"),
}


async def paid(account: Account, amount: int = 1_000, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    return await account.client.v1.payment_intents.create_async(
        {"amount": amount, "currency": "usd", "payment_method": method, "confirm": True, "metadata": {"order": "o1"}}
    )


async def test_a_card_is_charged_and_the_receipt_can_be_read(account: Account) -> None:
    intent = await paid(account)
    assert (intent.status, intent.amount_received, intent.metadata.to_dict()) == ("succeeded", 1_000, {"order": "o1"})
    charge = await account.client.v1.charges.retrieve_async(str(intent.latest_charge))
    assert charge.receipt_url
    status, _, text = await account.browse("GET", charge.receipt_url)
    assert (status, "$10.00" in text) == (200, True)
    await account.delivered()
    assert sorted(account.inbox.types()) == ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]


@pytest.mark.parametrize("method", DECLINED)
async def test_a_declined_card_says_why_and_another_may_be_tried(account: Account, method: str) -> None:
    v1 = account.client.v1
    intent = await v1.payment_intents.create_async({"amount": 1_000, "currency": "usd"})
    with pytest.raises(stripe.CardError) as declined:
        await v1.payment_intents.confirm_async(intent.id, {"payment_method": method})
    code, decline = DECLINED[method]
    assert declined.value.code == code
    assert declined.value.error is not None
    assert declined.value.error.decline_code == decline
    intent = await v1.payment_intents.retrieve_async(intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    intent = await v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert intent.status == "succeeded"


async def test_without_the_customer_nobody_can_authenticate(account: Account) -> None:
    v1 = account.client.v1
    customer = await v1.customers.create_async({})
    method = await v1.payment_methods.attach_async("pm_card_authenticationRequired", {"customer": customer.id})
    with pytest.raises(stripe.CardError) as refused:
        await v1.payment_intents.create_async(
            {"amount": 1_000, "currency": "usd", "customer": customer.id, "payment_method": method.id,
             "off_session": True, "confirm": True}
        )  # fmt: skip
    assert refused.value.code == "authentication_required"


@pytest.mark.parametrize(("answer", "status"), [("complete", "succeeded"), ("fail", "requires_payment_method")])
async def test_the_bank_asks_the_customer(account: Account, answer: str, status: str) -> None:
    intent = await paid(account, method="pm_card_threeDSecure2Required")
    assert intent.status == "requires_action"
    assert intent.next_action is not None and intent.next_action.redirect_to_url is not None
    bank = str(intent.next_action.redirect_to_url.url)
    assert "Complete" in (await account.browse("GET", bank))[2]
    await account.browse("POST", bank, answer=answer)
    assert (await account.client.v1.payment_intents.retrieve_async(intent.id)).status == status


async def test_refunds_add_up_and_never_beyond_the_charge(account: Account) -> None:
    v1 = account.client.v1
    intent = await paid(account)
    part = await v1.refunds.create_async({"payment_intent": intent.id, "amount": 300})
    assert (part.status, part.amount) == ("succeeded", 300)
    with pytest.raises(stripe.InvalidRequestError):
        await v1.refunds.create_async({"payment_intent": intent.id, "amount": 701})
    rest = await v1.refunds.create_async({"payment_intent": intent.id})
    assert rest.amount == 700
    with pytest.raises(stripe.InvalidRequestError) as again:
        await v1.refunds.create_async({"payment_intent": intent.id})
    assert again.value.code == "charge_already_refunded"
    charge = await v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (1_000, True)
    await account.delivered()
    assert account.inbox.types().count("charge.refunded") == 2


@pytest.mark.parametrize("won", [True, False])
async def test_a_dispute_takes_the_money_and_gives_it_back_if_it_is_won(account: Account, won: bool) -> None:
    v1 = account.client.v1
    intent = await paid(account, method="pm_card_createDispute")
    (dispute,) = (await v1.disputes.list_async({"payment_intent": intent.id})).data
    assert (dispute.status, dispute.amount) == ("needs_response", 1_000)
    evidence = "winning_evidence" if won else "losing_evidence"
    dispute = await v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    assert dispute.status == ("won" if won else "lost")
    assert sum(one.amount for one in dispute.balance_transactions) == (0 if won else -1_000)
    await account.delivered()
    expected = ["charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"]
    expected += ["charge.dispute.funds_reinstated"] if won else []
    assert set(expected) <= set(account.inbox.types())
    with pytest.raises(stripe.InvalidRequestError):
        await v1.disputes.close_async(dispute.id)


async def test_a_card_that_can_be_kept_may_fail_when_it_is_charged(account: Account) -> None:
    v1 = account.client.v1
    customer = await v1.customers.create_async({})
    intent = await v1.setup_intents.create_async(
        {"customer": customer.id, "payment_method": "pm_card_chargeCustomerFail", "confirm": True}
    )
    assert intent.status == "succeeded"
    with pytest.raises(stripe.CardError):
        await v1.payment_intents.create_async(
            {"amount": 1_000, "currency": "usd", "customer": customer.id, "off_session": True, "confirm": True,
             "payment_method": str(intent.payment_method)}
        )  # fmt: skip


def test_every_test_card_passes_the_check_digit_that_browsers_ask_for() -> None:
    for card in CARDS:
        digits = [int(digit) for digit in reversed(card.number)]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0, card.number
