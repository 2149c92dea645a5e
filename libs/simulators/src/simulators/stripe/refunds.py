"""Money given back."""

from simulators.stripe.errors import invalid, missing_param
from simulators.stripe.forms import integer, metadata
from simulators.stripe.payments import booked
from simulators.stripe.routing import Object, World, operation

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


@operation("POST", "/v1/refunds")
def create_refund(world: World, params: Object) -> Object:
    """Give back all or a part of a charge."""
    charge = _charge(world, params)
    if not charge["paid"]:
        raise invalid("This charge has not been paid.", "charge", "charge_not_refundable")
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge", "charge_disputed"
        )
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", "charge", "charge_already_refunded")
    amount = integer(params, "amount", left)
    if not 0 < amount <= left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount")
    reason = params.get("reason")
    if reason not in (None, *_REASONS):
        raise invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
    refund = world.new(
        "refund",
        clock=world.clock_of(charge["customer"]),
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=metadata(params),
        payment_intent=charge["payment_intent"],
        reason=reason,
        receipt_number=None,
        status="succeeded",
    )
    world.save(refund, balance_transaction=booked(world, refund, -amount, "refund")["id"])
    world.save(charge, amount_refunded=charge["amount_refunded"] + amount, refunded=amount == left)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge, {"amount_refunded": charge["amount_refunded"] - amount})
    return refund


def _charge(world: World, params: Object) -> Object:
    if "charge" in params:
        return world.get("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        raise missing_param("payment_intent")
    intent = world.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent["latest_charge"] is None:
        raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
    return world.get("charge", intent["latest_charge"])


@operation("GET", "/v1/refunds/{refund}")
def read_refund(world: World, _: Object, refund: str) -> Object:
    """One refund."""
    return world.get("refund", refund)


@operation("GET", "/v1/refunds")
def list_refunds(world: World, params: Object) -> Object:
    """Refunds, newest first."""
    equal = {name: params[name] for name in ("charge", "payment_intent") if name in params}
    return world.page("refund", params, "/v1/refunds", **equal)
