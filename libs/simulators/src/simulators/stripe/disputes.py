"""Money that the customer's bank takes back."""

from simulators.stripe.errors import invalid
from simulators.stripe.forms import boolean, choice, metadata
from simulators.stripe.payments import booked
from simulators.stripe.routing import Object, World, operation

_FEE = 1_500
_OPEN = ("needs_response", "under_review")
_REASONS = ("fraudulent", "product_not_received", "duplicate", "subscription_canceled", "general")
_EVIDENCE_DAYS = 7 * 86_400


def open_dispute(world: World, charge: Object, reason: str = "fraudulent") -> Object:
    """The bank takes back what is left of a charge."""
    amount = charge["amount"] - charge["amount_refunded"]
    clock = world.clock_of(charge["customer"])
    dispute = world.new(
        "dispute",
        clock=clock,
        amount=amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={"enhanced_evidence": {}},
        evidence_details={
            "due_by": world.now(clock) + _EVIDENCE_DAYS,
            "enhanced_eligibility": {},
            "submission_method": "manual",
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=False,
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="needs_response",
    )
    world.save(charge, disputed=True)
    world.emit("charge.dispute.created", dispute)
    _move(world, dispute, -amount, _FEE, "charge.dispute.funds_withdrawn")
    return dispute


def _move(world: World, dispute: Object, amount: int, fee: int, told: str) -> None:
    movement = booked(world, dispute, amount, "adjustment", fee)
    world.save(dispute, balance_transactions=[*dispute["balance_transactions"], dict(movement)])
    world.emit(told, dispute)


def decide(world: World, dispute: Object, *, won: bool) -> Object:
    """The bank has decided."""
    if dispute["status"] not in _OPEN:
        raise invalid(f"This dispute is already closed ({dispute['status']}).")
    world.save(dispute, status="won" if won else "lost")
    if won:
        _move(world, dispute, dispute["amount"], 0, "charge.dispute.funds_reinstated")
    world.emit("charge.dispute.closed", dispute)
    return dispute


# What nobody but a simulator can ask for: a real bank does these by itself.


@operation("POST", "/v1/test_helpers/charges/{charge}/dispute")
def dispute_charge(world: World, params: Object, charge: str) -> Object:
    """Have a charge disputed."""
    one = world.get("charge", charge)
    if one["disputed"] or not one["paid"]:
        raise invalid("This charge cannot be disputed.")
    return open_dispute(world, one, choice(params, "reason", _REASONS, "fraudulent"))


@operation("POST", "/v1/test_helpers/disputes/{dispute}/decide")
def decide_dispute(world: World, params: Object, dispute: str) -> Object:
    """Have the bank decide: `won=true` or `won=false`."""
    return decide(world, world.get("dispute", dispute), won=boolean(params, "won"))


@operation("GET", "/v1/disputes/{dispute}")
def read_dispute(world: World, _: Object, dispute: str) -> Object:
    """One dispute."""
    return world.get("dispute", dispute)


@operation("POST", "/v1/disputes/{dispute}")
def update_dispute(world: World, params: Object, dispute: str) -> Object:
    """Hand in evidence. As in Stripe's test mode, the text `winning_evidence` wins and `losing_evidence` loses."""
    one = world.get("dispute", dispute)
    if one["status"] not in _OPEN:
        raise invalid("This dispute is already closed.")
    evidence = {**one["evidence"], **params.get("evidence", {})}
    details = {**one["evidence_details"], "has_evidence": len(evidence) > 1}
    world.save(one, evidence=evidence, metadata=metadata(params, one["metadata"]))
    if boolean(params, "submit", default=True):
        details["submission_count"] += 1
        world.save(one, status="under_review")
    world.save(one, evidence_details=details)
    world.emit("charge.dispute.updated", one)
    told = evidence.get("uncategorized_text")
    if told in ("winning_evidence", "losing_evidence"):
        decide(world, one, won=told == "winning_evidence")
    return one


@operation("POST", "/v1/disputes/{dispute}/close")
def close_dispute(world: World, _: Object, dispute: str) -> Object:
    """Give in."""
    return decide(world, world.get("dispute", dispute), won=False)


@operation("GET", "/v1/disputes")
def list_disputes(world: World, params: Object) -> Object:
    """Disputes, newest first."""
    equal = {name: params[name] for name in ("charge", "payment_intent") if name in params}
    return world.page("dispute", params, "/v1/disputes", **equal)
