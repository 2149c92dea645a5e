"""Invoices: drafted, finalized, paid or not, and asked for again."""

from simulators.stripe.errors import StripeError, invalid
from simulators.stripe.forms import metadata
from simulators.stripe.payments import Declined, attempt, new_intent
from simulators.stripe.routing import Object, World, operation

DAY = 86_400
FINALIZED_AFTER_S = 3_600
"""A renewal's draft lies open for an hour."""


def new_line(
    world: World, *, amount: int, description: str, period: tuple[int, int], price: Object | None = None,
    quantity: int = 1, subscription: Object | None = None, proration: bool = False,
) -> Object:  # fmt: skip
    """One line; `period` are unix seconds."""
    parent: Object | None = None
    if subscription is not None:
        details = {
            "subscription": subscription["id"],
            "subscription_item": subscription["items"]["data"][0]["id"],
            "proration": proration,
            "invoice_item": None,
            "proration_details": {"credited_items": None} if proration else None,
        }
        parent = {"type": "subscription_item_details", "subscription_item_details": details}
    pricing = None
    if price is not None:
        pricing = {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    return {
        "id": world.identity("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": "usd" if price is None else price["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "metadata": {} if subscription is None else dict(subscription["metadata"]),
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pricing": pricing,
        "quantity": quantity,
        "subtotal": amount,
        "taxes": [],
    }


def _tax(amount: int, taxable: int) -> Object:
    return {
        "amount": amount,
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": "txr_simulated"},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def draft(
    world: World, customer: str, lines: list[Object], reason: str, *, subscription: Object | None = None,
    marked: dict[str, str] | None = None, discount: int = 0, tax_percent: float = 0,
) -> Object:  # fmt: skip
    """A draft; negative totals become credit of the customer when it is finalized."""
    clock = world.clock_of(customer)
    now = world.now(clock)
    holder = world.get("customer", customer)
    subtotal = sum(line["amount"] for line in lines)
    tax = round((subtotal - discount) * tax_percent / 100)
    total = subtotal - discount + tax
    invoice = world.new(
        "invoice",
        clock=clock,
        amount_due=max(0, total),
        amount_overpaid=0,
        amount_paid=0,
        amount_remaining=max(0, total),
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        automatic_tax={"enabled": tax_percent > 0, "status": "complete" if tax_percent > 0 else None},
        automatically_finalizes_at=now + FINALIZED_AFTER_S,
        billing_reason=reason,
        collection_method="charge_automatically",
        currency=lines[0]["currency"] if lines else "usd",
        customer=customer,
        customer_email=holder["email"],
        customer_name=holder["name"],
        default_payment_method=None,
        default_tax_rates=[],
        description=None,
        discounts=["di_simulated"] if discount else [],
        ending_balance=None,
        hosted_invoice_url=None,
        invoice_pdf=None,
        issuer={"type": "self"},
        lines={"object": "list", "data": lines, "has_more": False, "total_count": len(lines)},
        metadata=dict(marked or {}),
        next_payment_attempt=None,
        number=None,
        parent=None if subscription is None else {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "subscription": subscription["id"],
                "metadata": dict(subscription["metadata"]),
            },
        },
        of_subscription=None if subscription is None else subscription["id"],
        payment_settings=dict.fromkeys(("default_mandate", "payment_method_options", "payment_method_types")),
        payments={"object": "list", "data": [], "has_more": False},
        period_end=now,
        period_start=now,
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        starting_balance=holder["balance"],
        status="draft",
        status_transitions=dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        subtotal=subtotal,
        test_clock=clock,
        total=total,
        total_discount_amounts=[{"amount": discount, "discount": "di_simulated"}] if discount else [],
        total_excluding_tax=subtotal - discount,
        total_taxes=[_tax(tax, subtotal - discount)] if tax else [],
    )  # fmt: skip
    world.save(invoice, lines={**invoice["lines"], "url": f"/v1/invoices/{invoice['id']}/lines"})
    world.emit("invoice.created", invoice)
    return invoice


def finalize(world: World, invoice: Object) -> Object:
    """Number it, apply what the customer has to his credit, and open it."""
    holder = world.get("customer", invoice["customer"])
    clock = world.clock_of(invoice["customer"])
    due = invoice["total"] + holder["balance"]
    world.save(holder, balance=min(0, due))
    number = sum(1 for one in world.store.all("invoice") if one["number"])
    world.save(
        invoice,
        status="open",
        number=f"SIM-{number + 1:06}",
        amount_due=max(0, due),
        amount_remaining=max(0, due),
        ending_balance=min(0, due),
        automatically_finalizes_at=None,
        hosted_invoice_url=f"{world.base_url}/invoices/{invoice['id']}",
        invoice_pdf=f"{world.base_url}/invoices/{invoice['id']}/pdf",
        status_transitions={**invoice["status_transitions"], "finalized_at": world.now(clock)},
    )
    world.emit("invoice.finalized", invoice)
    return invoice


def collect(world: World, invoice: Object, *, method: str | None = None, off_session: bool = True) -> Object:
    """Try to be paid. Raises Declined; an intent that waits for the customer's bank leaves the invoice open."""
    if invoice["status"] == "draft":
        finalize(world, invoice)
    if invoice["amount_due"] == 0:
        return settle(world, invoice, None)
    intent = intent_of(world, invoice)
    method = method or intent["payment_method"] or default_method(world, invoice)
    world.save(invoice, attempted=True, attempt_count=invoice["attempt_count"] + 1)
    if method is None:
        error = {"type": "invalid_request_error", "code": "missing_payment_method", "message": "There is no card."}
        world.save(intent, last_payment_error=error)
        world.emit("invoice.payment_failed", invoice)
        raise Declined(402, "card_error", "This customer has no attached payment source.", code="resource_missing")
    world.save(intent, payment_method=method)
    try:
        attempt(world, intent, off_session=off_session)
    except Declined:
        world.emit("invoice.payment_failed", invoice)
        raise
    if intent["status"] == "requires_action":
        world.emit("invoice.payment_action_required", invoice)
        return invoice
    return settle(world, invoice, intent)


def settle(world: World, invoice: Object, intent: Object | None) -> Object:
    """It is paid."""
    clock = world.clock_of(invoice["customer"])
    paid = 0 if intent is None else intent["amount"]
    payments = [
        {
            **one,
            "status": "paid",
            "amount_paid": paid,
            "status_transitions": {"canceled_at": None, "paid_at": world.now(clock)},
        }
        for one in invoice["payments"]["data"]
    ]
    world.save(
        invoice,
        status="paid",
        attempted=True,
        amount_paid=paid,
        amount_remaining=0,
        next_payment_attempt=None,
        payments={**invoice["payments"], "data": payments},
        status_transitions={**invoice["status_transitions"], "paid_at": world.now(clock)},
    )
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    return invoice


def intent_of(world: World, invoice: Object) -> Object:
    """The intent the invoice is paid by; one per invoice, tried again and again."""
    for payment in invoice["payments"]["data"]:
        return world.get("payment_intent", payment["payment"]["payment_intent"])
    intent = new_intent(
        world,
        invoice["amount_due"],
        invoice["currency"],
        invoice["customer"],
        description=f"Invoice {invoice['number']}",
        metadata=dict(invoice["metadata"]),
        setup_future_usage="off_session",
    )
    link(world, invoice, intent)
    return intent


def link(world: World, invoice: Object, intent: Object) -> None:
    """Note which intent pays an invoice."""
    payment = {
        "id": world.identity("invoice_payment"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": world.now(world.clock_of(invoice["customer"])),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    world.save(invoice, payments={**invoice["payments"], "data": [payment]})


def default_method(world: World, invoice: Object) -> str | None:
    """The card an invoice is charged to when nobody names one."""
    parent = invoice["parent"]
    if parent is not None:
        subscription = world.get("subscription", parent["subscription_details"]["subscription"])
        if subscription["default_payment_method"]:
            return str(subscription["default_payment_method"])
    found: str | None = world.get("customer", invoice["customer"])["invoice_settings"]["default_payment_method"]
    return found


def invoice_of_intent(world: World, intent: str) -> Object | None:
    """The invoice an intent pays."""
    for invoice in world.store.all("invoice"):
        for payment in invoice["payments"]["data"]:
            if payment["payment"]["payment_intent"] == intent:
                return invoice
    return None


@operation("GET", "/v1/invoices/{invoice}")
def read_invoice(world: World, _: Object, invoice: str) -> Object:
    """One invoice."""
    return world.get("invoice", invoice)


@operation("GET", "/v1/invoices")
def list_invoices(world: World, params: Object) -> Object:
    """Invoices, newest first; by customer, subscription or status."""
    equal: Object = {name: params[name] for name in ("customer", "status") if name in params}
    if "subscription" in params:
        equal["of_subscription"] = world.get("subscription", params["subscription"], "subscription")["id"]
    return world.page("invoice", params, "/v1/invoices", **equal)


@operation("POST", "/v1/invoices/{invoice}")
def update_invoice(world: World, params: Object, invoice: str) -> Object:
    """Change what may change: metadata."""
    one = world.get("invoice", invoice)
    return world.change("invoice.updated", one, metadata=metadata(params, one["metadata"]))


@operation("POST", "/v1/invoices/{invoice}/pay")
def pay_invoice(world: World, params: Object, invoice: str) -> Object:
    """Try to be paid now."""
    from simulators.stripe.subscriptions import invoice_ended

    one = world.get("invoice", invoice)
    if one["status"] not in ("open", "draft"):
        raise StripeError(
            400, "invalid_request_error", f"Invoice is already {one['status']}", code="invoice_not_editable"
        )
    paid = collect(world, one, method=params.get("payment_method"))
    if paid["status"] == "paid":
        invoice_ended(world, paid)
    return paid


@operation("POST", "/v1/invoices/{invoice}/void")
def void_invoice(world: World, _: Object, invoice: str) -> Object:
    """It is not to be paid any more."""
    one = world.get("invoice", invoice)
    if one["status"] not in ("open", "uncollectible"):
        raise invalid("You can only void open or uncollectible invoices.")
    clock = world.clock_of(one["customer"])
    moments = {**one["status_transitions"], "voided_at": world.now(clock)}
    world.save(one, status="void", status_transitions=moments, next_payment_attempt=None)
    world.emit("invoice.voided", one)
    return one


@operation("GET", "/v1/invoice_payments")
def list_invoice_payments(world: World, params: Object) -> Object:
    """What paid an invoice, or which invoice an intent paid (`payment[payment_intent]`)."""
    wanted = (params.get("payment") or {}).get("payment_intent")
    found = [
        payment
        for invoice in world.store.all("invoice")
        for payment in invoice["payments"]["data"]
        if params.get("invoice") in (None, invoice["id"]) and wanted in (None, payment["payment"]["payment_intent"])
    ]
    return {"object": "list", "url": "/v1/invoice_payments", "has_more": False, "data": found[:100]}
