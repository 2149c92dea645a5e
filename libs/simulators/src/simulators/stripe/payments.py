"""Payments: intents, the charges they end in, and cards set up for later."""

import secrets

from simulators.stripe.cards import BY_TOKEN, DECLINES, Behaviour
from simulators.stripe.customers import method_named
from simulators.stripe.errors import StripeError, invalid
from simulators.stripe.forms import boolean, choice, integer, metadata, text
from simulators.stripe.routing import Object, World, operation

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_FEE_SHARE, _FEE_FIXED = 0.029, 30


class Declined(StripeError):  # noqa: N818 - it reads as what happened
    """A card error; what it was about is in the intent."""


@operation("POST", "/v1/payment_intents")
def create_payment_intent(world: World, params: Object) -> Object:
    """The intention to be paid, confirmed at once if asked."""
    amount = integer(params, "amount")
    if not 50 <= amount <= 99_999_999:
        raise invalid("Amount must be at least $0.50 usd", "amount", "amount_too_small")
    if customer := params.get("customer"):
        world.get("customer", customer, "customer")
    intent = new_intent(
        world,
        amount,
        text(params, "currency").lower(),
        customer,
        description=params.get("description"),
        metadata=metadata(params),
        setup_future_usage=params.get("setup_future_usage"),
        receipt_email=params.get("receipt_email"),
    )
    if "payment_method" in params:
        world.save(intent, payment_method=method_named(world, params["payment_method"])["id"])
        world.save(intent, status="requires_confirmation")
    if boolean(params, "confirm"):
        return confirm(world, intent, params)
    return intent


def new_intent(world: World, amount: int, currency: str, customer: str | None, **fields: object) -> Object:
    """An intent without a card yet."""
    intent = world.new(
        "payment_intent",
        clock=world.clock_of(customer),
        **{
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "always"},
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "confirmation_method": "automatic",
            "currency": currency,
            "customer": customer,
            "description": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": {},
            "next_action": None,
            "payment_method": None,
            "payment_method_types": ["card"],
            "receipt_email": None,
            "setup_future_usage": None,
            "status": "requires_payment_method",
            **fields,
        },
    )
    world.save(intent, client_secret=f"{intent['id']}_secret_{secrets.token_hex(12)}")
    world.emit("payment_intent.created", intent)
    return intent


@operation("GET", "/v1/payment_intents/{intent}")
def read_payment_intent(world: World, _: Object, intent: str) -> Object:
    """One intent."""
    return world.get("payment_intent", intent)


@operation("GET", "/v1/payment_intents")
def list_payment_intents(world: World, params: Object) -> Object:
    """Intents, newest first."""
    equal = {"customer": params["customer"]} if "customer" in params else {}
    return world.page("payment_intent", params, "/v1/payment_intents", **equal)


@operation("POST", "/v1/payment_intents/{intent}/confirm")
def confirm_payment_intent(world: World, params: Object, intent: str) -> Object:
    """Try to be paid."""
    one = world.get("payment_intent", intent)
    if "payment_method" in params:
        world.save(one, payment_method=method_named(world, params["payment_method"])["id"])
    return confirm(world, one, params)


@operation("POST", "/v1/payment_intents/{intent}/cancel")
def cancel_payment_intent(world: World, params: Object, intent: str) -> Object:
    """Give up being paid."""
    one = world.get("payment_intent", intent)
    if one["status"] not in _OPEN:
        raise _unexpected(one, "cancel")
    world.save(
        one,
        status="canceled",
        canceled_at=world.now(world.clock_of(one["customer"])),
        cancellation_reason=params.get("cancellation_reason"),
        next_action=None,
    )
    world.emit("payment_intent.canceled", one)
    return one


def confirm(world: World, intent: Object, params: Object) -> Object:
    """Charge the intent's card. Raises Declined; without the customer present nobody can authenticate."""
    if intent["status"] not in _OPEN:
        raise _unexpected(intent, "confirm")
    if intent["payment_method"] is None:
        raise invalid("You cannot confirm this PaymentIntent because it's missing a payment method.")
    off_session = boolean(params, "off_session")
    return attempt(world, intent, off_session=off_session, return_url=params.get("return_url"))


def attempt(
    world: World, intent: Object, *, off_session: bool, authenticated: bool = False, return_url: str | None = None
) -> Object:
    """One try at an intent with its card: paid, to be authenticated, or Declined."""
    method = world.get("payment_method", intent["payment_method"])
    behaviour = BY_TOKEN[method["simulated"]].behaviour
    if behaviour == "authenticate" and not authenticated and not off_session:
        action = {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": f"{world.base_url}/3ds/{intent['id']}", "return_url": return_url},
        }
        world.save(intent, status="requires_action", next_action=action)
        world.emit("payment_intent.requires_action", intent)
        return intent
    if behaviour in DECLINES and not authenticated:
        raise _declined(world, intent, method, behaviour)
    _paid(world, intent, method)
    if behaviour == "disputed":
        from simulators.stripe.disputes import open_dispute

        open_dispute(world, world.get("charge", intent["latest_charge"]))
    return intent


def authenticated(world: World, intent: Object, *, success: bool) -> Object:
    """The customer has answered the bank; raises Declined if with a no."""
    if intent["status"] != "requires_action":
        raise _unexpected(intent, "authenticate")
    if success:
        return attempt(world, intent, off_session=False, authenticated=True)
    message = "The provided PaymentMethod has failed authentication."
    raise _failed(world, intent, "payment_intent_authentication_failure", None, message)


def _declined(world: World, intent: Object, method: Object, behaviour: Behaviour) -> Declined:
    code, decline, message = DECLINES[behaviour]
    charge = _charge(world, intent, method, status="failed", failure=(code, message))
    world.save(intent, latest_charge=charge["id"])
    world.emit("charge.failed", charge)
    return _failed(world, intent, code, decline, message)


def _failed(world: World, intent: Object, code: str, decline: str | None, message: str) -> Declined:
    method = world.store.get("payment_method", intent["payment_method"])
    error: Object = {"type": "card_error", "code": code, "message": message, "payment_method": method}
    if decline is not None:
        error["decline_code"] = decline
    world.save(
        intent,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=error,
    )
    world.emit("payment_intent.payment_failed", intent)
    more = {"decline_code": decline} if decline else {}
    return Declined(402, "card_error", message, code=code, payment_intent=dict(intent), **more)


def _paid(world: World, intent: Object, method: Object) -> None:
    charge = _charge(world, intent, method, status="succeeded")
    if intent["setup_future_usage"] and intent["customer"] and method["customer"] is None:
        world.save(method, customer=intent["customer"])
        world.emit("payment_method.attached", method)
    world.save(
        intent,
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        next_action=None,
        last_payment_error=None,
    )
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)


def _charge(
    world: World, intent: Object, method: Object, *, status: str, failure: tuple[str, str] | None = None
) -> Object:
    clock, paid = world.clock_of(intent["customer"]), status == "succeeded"
    charge = world.new(
        "charge",
        clock=clock,
        amount=intent["amount"],
        amount_captured=intent["amount"] if paid else 0,
        amount_refunded=0,
        balance_transaction=None,
        billing_details=method["billing_details"],
        captured=paid,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_code=failure[0] if failure else None,
        failure_message=failure[1] if failure else None,
        metadata=dict(intent["metadata"]),
        paid=paid,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"type": "card", "card": dict(method["card"])},
        receipt_email=intent["receipt_email"],
        receipt_url=None,
        refunded=False,
        status=status,
    )
    if paid:
        fee = round(intent["amount"] * _FEE_SHARE) + _FEE_FIXED
        balance = booked(world, charge, intent["amount"], "charge", fee)
        receipt = f"{world.base_url}/receipts/{charge['id']}"
        world.save(charge, balance_transaction=balance["id"], receipt_url=receipt)
    return charge


def booked(world: World, source: Object, amount: int, kind: str, fee: int = 0) -> Object:
    """A movement of our balance at Stripe."""
    return world.new(
        "balance_transaction",
        amount=amount,
        available_on=world.now(),
        balance_type="payments",
        currency=source["currency"],
        fee=fee,
        fee_details=[{"amount": fee, "currency": source["currency"], "type": "stripe_fee"}] if fee else [],
        net=amount - fee,
        reporting_category=kind,
        source=source["id"],
        status="available",
        type=kind,
    )


def _unexpected(intent: Object, verb: str) -> StripeError:
    return StripeError(
        400,
        "invalid_request_error",
        f"You cannot {verb} this {intent['object']} because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
    )


@operation("GET", "/v1/charges/{charge}")
def read_charge(world: World, _: Object, charge: str) -> Object:
    """One charge."""
    return world.get("charge", charge)


@operation("GET", "/v1/charges")
def list_charges(world: World, params: Object) -> Object:
    """Charges, newest first."""
    equal = {name: params[name] for name in ("customer", "payment_intent") if name in params}
    return world.page("charge", params, "/v1/charges", **equal)


@operation("GET", "/v1/balance_transactions")
def list_balance_transactions(world: World, params: Object) -> Object:
    """Movements of our balance, newest first."""
    equal = {name: params[name] for name in ("source", "type") if name in params}
    return world.page("balance_transaction", params, "/v1/balance_transactions", **equal)


# Setting up a card for later


@operation("POST", "/v1/setup_intents")
def create_setup_intent(world: World, params: Object) -> Object:
    """The intention to keep a card."""
    customer = params.get("customer")
    if customer:
        world.get("customer", customer, "customer")
    usage = choice(params, "usage", ("off_session", "on_session"), "off_session")
    intent = new_setup_intent(world, customer, usage, metadata(params))
    if "payment_method" in params:
        world.save(intent, payment_method=method_named(world, params["payment_method"])["id"])
    if boolean(params, "confirm"):
        return set_up(world, intent)
    return intent


def new_setup_intent(world: World, customer: str | None, usage: str, marked: dict[str, str]) -> Object:
    """One without a card yet."""
    intent = world.new(
        "setup_intent",
        clock=world.clock_of(customer),
        cancellation_reason=None,
        customer=customer,
        last_setup_error=None,
        metadata=marked,
        next_action=None,
        payment_method=None,
        payment_method_types=["card"],
        status="requires_payment_method",
        usage=usage,
    )
    world.save(intent, client_secret=f"{intent['id']}_secret_{secrets.token_hex(12)}")
    world.emit("setup_intent.created", intent)
    return intent


def set_up(world: World, intent: Object, *, authenticated: bool = False) -> Object:
    """Keep the card, after the bank has been asked if it wants to be."""
    method = world.get("payment_method", intent["payment_method"])
    behaviour = BY_TOKEN[method["simulated"]].behaviour
    if behaviour == "authenticate" and not authenticated:
        action = {"type": "redirect_to_url", "redirect_to_url": {"url": f"{world.base_url}/3ds/{intent['id']}"}}
        world.save(intent, status="requires_action", next_action=action)
        world.emit("setup_intent.requires_action", intent)
        return intent
    if behaviour in {"declined", "insufficient_funds", "expired"}:
        code, decline, message = DECLINES[behaviour]
        error = {"type": "card_error", "code": code, "decline_code": decline, "message": message}
        world.save(intent, status="requires_payment_method", payment_method=None, last_setup_error=error)
        world.emit("setup_intent.setup_failed", intent)
        raise Declined(402, "card_error", message, code=code, decline_code=decline, setup_intent=dict(intent))
    if intent["customer"] and method["customer"] is None:
        world.save(method, customer=intent["customer"])
        world.emit("payment_method.attached", method)
    world.save(intent, status="succeeded", next_action=None, last_setup_error=None)
    world.emit("setup_intent.succeeded", intent)
    return intent


@operation("GET", "/v1/setup_intents/{intent}")
def read_setup_intent(world: World, _: Object, intent: str) -> Object:
    """One setup intent."""
    return world.get("setup_intent", intent)
