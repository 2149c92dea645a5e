"""Checkout sessions: what is to be paid, and what follows when it is."""

from simulators.stripe import invoices, subscriptions
from simulators.stripe.cards import BY_NUMBER
from simulators.stripe.catalog import discount_of, new_price
from simulators.stripe.customers import new_card
from simulators.stripe.errors import StripeError, invalid, missing_param
from simulators.stripe.forms import boolean, choice, integer, metadata, text
from simulators.stripe.payments import Declined, attempt, new_intent, new_setup_intent, set_up
from simulators.stripe.routing import Object, World, operation

_LIVES_S = 24 * 3_600
_MOST_LINES = 100
_INVOICE_DATA = (
    "account_tax_ids", "custom_fields", "description", "footer", "issuer", "metadata", "rendering_options",
)  # fmt: skip


@operation("POST", "/v1/checkout/sessions")
def create_session(world: World, params: Object) -> Object:
    """A page on which one customer pays one thing, once; `url` is where."""
    mode = choice(params, "mode", ("payment", "subscription", "setup"))
    ui_mode = choice(params, "ui_mode", ("hosted_page",), "hosted_page")
    customer = params.get("customer")
    if customer is not None:
        world.get("customer", customer, "customer")
    lines = [] if mode == "setup" else _lines(world, params, mode)
    subtotal = sum(line["amount_subtotal"] for line in lines)
    discount, coupon = _discount(world, params, subtotal)
    taxed = boolean(params.get("automatic_tax") or {}, "enabled")
    tax = round((subtotal - discount) * world.dials.now.tax_percent / 100) if taxed else 0
    clock = world.clock_of(customer)
    now = world.now(clock)
    session = world.new(
        "checkout.session",
        clock=clock,
        allow_promotion_codes=boolean(params, "allow_promotion_codes") or None,
        amount_subtotal=None if mode == "setup" else subtotal,
        amount_total=None if mode == "setup" else subtotal - discount + tax,
        automatic_tax={"enabled": taxed, "provider": "stripe" if taxed else None, "status": None},
        cancel_url=params.get("cancel_url"),
        client_reference_id=params.get("client_reference_id"),
        custom_fields=[],
        custom_text=dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        currency=lines[0]["currency"] if lines else params.get("currency", "usd"),
        customer=customer,
        customer_creation=params.get("customer_creation", "if_required"),
        customer_details=None,
        customer_email=params.get("customer_email"),
        discounts=[{"coupon": coupon, "promotion_code": None}] if coupon else [],
        expires_at=integer(params, "expires_at", now + _LIVES_S),
        invoice=None,
        invoice_creation={
            "enabled": boolean(params.get("invoice_creation") or {}, "enabled"),
            "invoice_data": dict.fromkeys(_INVOICE_DATA),
        },
        locale=params.get("locale"),
        metadata=metadata(params),
        mode=mode,
        payment_intent=None,
        payment_method_types=["card"],
        payment_status="no_payment_required" if mode == "setup" else "unpaid",
        setup_intent=None,
        shipping_options=[],
        status="open",
        submit_type=params.get("submit_type"),
        subscription=None,
        success_url=text(params, "success_url"),
        total_details={"amount_discount": discount, "amount_shipping": 0, "amount_tax": tax},
        ui_mode=ui_mode,
        url=None,
        lines=lines,
        payment_intent_data=params.get("payment_intent_data") or {},
        subscription_data=params.get("subscription_data") or {},
        setup_intent_data=params.get("setup_intent_data") or {},
        coupon=coupon,
    )
    return world.save(session, url=f"{world.base_url}/c/pay/{session['id']}")


def _lines(world: World, params: Object, mode: str) -> list[Object]:
    items = params.get("line_items")
    if not isinstance(items, list) or not items:
        raise missing_param("line_items")
    if len(items) > _MOST_LINES:
        raise invalid("You may only specify up to 100 line items.", "line_items")
    lines = []
    for place, item in enumerate(items):
        if "price" in item:
            price = world.get("price", item["price"], f"line_items[{place}][price]")
        elif "price_data" in item:
            price = new_price(world, item["price_data"])
        else:
            raise missing_param(f"line_items[{place}][price]")
        recurring = price["recurring"] is not None
        if recurring and mode == "payment":
            raise invalid("You specified `payment` mode but passed a recurring price.", "line_items")
        if mode == "subscription" and not recurring:
            raise invalid("This simulator's subscriptions have recurring prices only.", "line_items")
        quantity = integer(item, "quantity", 1)
        if quantity < 1:
            raise invalid("Invalid quantity.", f"line_items[{place}][quantity]")
        amount = price["unit_amount"] * quantity
        lines.append(
            {
                "id": world.identity("item"),
                "object": "item",
                "amount_discount": 0,
                "amount_subtotal": amount,
                "amount_tax": 0,
                "amount_total": amount,
                "currency": price["currency"],
                "description": world.get("product", price["product"])["name"],
                "price": price,
                "quantity": quantity,
            }
        )
    if len({line["currency"] for line in lines}) > 1:
        raise invalid("The line items must use one currency.", "line_items")
    return lines


def _discount(world: World, params: Object, subtotal: int) -> tuple[int, str | None]:
    discounts = params.get("discounts")
    if not discounts:
        return 0, None
    coupon = world.get("coupon", text(discounts[0], "coupon"), "discounts[0][coupon]")
    return discount_of(coupon, subtotal), coupon["id"]


@operation("GET", "/v1/checkout/sessions/{session}")
def read_session(world: World, _: Object, session: str) -> Object:
    """One session."""
    return world.get("checkout.session", session)


@operation("GET", "/v1/checkout/sessions")
def list_sessions(world: World, params: Object) -> Object:
    """Sessions, newest first."""
    equal = {
        name: params[name] for name in ("customer", "payment_intent", "subscription", "status") if name in params
    }
    return world.page("checkout.session", params, "/v1/checkout/sessions", **equal)


@operation("GET", "/v1/checkout/sessions/{session}/line_items")
def list_line_items(world: World, _: Object, session: str) -> Object:
    """What a session sells."""
    lines = world.get("checkout.session", session)["lines"]
    url = f"/v1/checkout/sessions/{session}/line_items"
    return {"object": "list", "url": url, "has_more": False, "data": lines}


@operation("POST", "/v1/checkout/sessions/{session}/expire")
def expire_session(world: World, _: Object, session: str) -> Object:
    """Close the page."""
    one = world.get("checkout.session", session)
    if one["status"] != "open":
        raise StripeError(
            400,
            "invalid_request_error",
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {one["status"]}.',
        )
    return expire(world, one)


def expire(world: World, session: Object) -> Object:
    """Nobody pays it any more."""
    world.save(session, status="expired", url=None)
    world.emit("checkout.session.expired", session)
    return session


# What the page does


def pay(world: World, session: Object, number: str, name: str, email: str) -> str | None:
    """The customer pressed the button; where to authenticate, or None when it is done. Raises Declined."""
    card = BY_NUMBER.get(number.replace(" ", ""))
    if card is None:
        raise Declined(402, "card_error", "Your card number is invalid.", code="incorrect_number")
    customer = _customer(world, session, email, name)
    method = new_card(world, card, name=name)
    intent = _intent(world, session, customer)
    world.save(intent, payment_method=method["id"])
    if intent["object"] == "setup_intent":
        set_up(world, intent)
    else:
        attempt(world, intent, off_session=False, return_url=session["success_url"])
    if intent["status"] == "requires_action":
        return str(intent["next_action"]["redirect_to_url"]["url"])
    complete(world, session)
    return None


def _customer(world: World, session: Object, email: str, name: str) -> str | None:
    details: Object = {
        "email": email or session["customer_email"],
        "name": name,
        "address": None,
        "phone": None,
        "tax_ids": [],
    }
    world.save(session, customer_details=details)
    if session["customer"] is None and (session["mode"] != "payment" or session["customer_creation"] == "always"):
        made = world.new(
            "customer",
            email=details["email"],
            name=name,
            phone=None,
            description=None,
            address=None,
            balance=0,
            currency=None,
            delinquent=False,
            invoice_settings={"default_payment_method": None, "custom_fields": None, "footer": None},
            metadata={},
            tax_exempt="none",
            test_clock=None,
        )
        world.emit("customer.created", made)
        world.save(session, customer=made["id"])
    customer: str | None = session["customer"]
    return customer


def _intent(world: World, session: Object, customer: str | None) -> Object:
    """The intent the session is paid by: one, however often the customer tries."""
    if session["mode"] == "setup":
        if session["setup_intent"] is None:
            data = session["setup_intent_data"]
            intent = new_setup_intent(world, customer, "off_session", metadata(data))
            world.save(session, setup_intent=intent["id"])
        return world.get("setup_intent", session["setup_intent"])
    if session["mode"] == "subscription":
        return _subscription_intent(world, session)
    if session["payment_intent"] is None:
        data = session["payment_intent_data"]
        intent = new_intent(
            world,
            session["amount_total"],
            session["currency"],
            customer,
            description=data.get("description"),
            metadata=metadata(data),
            setup_future_usage=data.get("setup_future_usage"),
            receipt_email=(session["customer_details"] or {}).get("email"),
        )
        world.save(session, payment_intent=intent["id"])
    return world.get("payment_intent", session["payment_intent"])


def _subscription_intent(world: World, session: Object) -> Object:
    if session["subscription"] is None:
        (line,) = session["lines"]
        tax = world.dials.now.tax_percent if session["automatic_tax"]["enabled"] else 0
        subscription, invoice = subscriptions.begin(
            world,
            session["customer"],
            line["price"],
            quantity=line["quantity"],
            marked=metadata(session["subscription_data"]),
            discount=session["total_details"]["amount_discount"],
            tax_percent=tax,
        )
        invoices.finalize(world, invoice)
        world.save(session, subscription=subscription["id"], invoice=invoice["id"])
    invoice = world.get("invoice", session["invoice"])
    return invoices.intent_of(world, invoice)


def complete(world: World, session: Object) -> None:
    """It is paid: the session ends, and so does whatever it was for."""
    if session["mode"] == "subscription":
        _complete_subscription(world, session)
    elif session["mode"] == "payment" and session["invoice_creation"]["enabled"]:
        _invoice_payment(world, session)
    status = "no_payment_required" if session["mode"] == "setup" else "paid"
    world.save(session, status="complete", payment_status=status, url=None)
    world.emit("checkout.session.completed", session)


def _complete_subscription(world: World, session: Object) -> None:
    invoice = world.get("invoice", session["invoice"])
    intent = invoices.intent_of(world, invoice)
    invoices.settle(world, invoice, intent)
    subscription = world.get("subscription", session["subscription"])
    world.save(subscription, default_payment_method=intent["payment_method"])
    subscriptions.invoice_ended(world, invoice)


def _invoice_payment(world: World, session: Object) -> None:
    """A receipt of a one-off payment in the form of a paid invoice; it takes a customer to be sent to."""
    if session["customer"] is None:
        return
    now = world.now(world.clock_of(session["customer"]))
    lines = [
        invoices.new_line(
            world,
            amount=line["amount_subtotal"],
            description=line["description"],
            period=(now, now),
            price=line["price"],
            quantity=line["quantity"],
        )
        for line in session["lines"]
    ]
    tax = world.dials.now.tax_percent if session["automatic_tax"]["enabled"] else 0
    invoice = invoices.draft(
        world,
        session["customer"],
        lines,
        "manual",
        marked=dict(session["metadata"]),
        discount=session["total_details"]["amount_discount"],
        tax_percent=tax,
    )
    invoices.finalize(world, invoice)
    intent = world.get("payment_intent", session["payment_intent"])
    invoices.link(world, invoice, intent)
    invoices.settle(world, invoice, intent)
    world.save(session, invoice=invoice["id"])


def session_of_intent(world: World, intent: Object) -> Object | None:
    """The open session that an intent pays or sets up."""
    for session in world.store.all("checkout.session", status="open"):
        if intent["id"] in (session["payment_intent"], session["setup_intent"]):
            return session
        if session["invoice"] is not None:
            payments = world.get("invoice", session["invoice"])["payments"]["data"]
            if any(one["payment"]["payment_intent"] == intent["id"] for one in payments):
                return session
    return None
