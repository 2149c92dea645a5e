"""Customers and their cards."""

from simulators.stripe.cards import BY_NUMBER, BY_TOKEN, Card
from simulators.stripe.errors import StripeError, invalid, missing
from simulators.stripe.forms import metadata, text
from simulators.stripe.routing import Object, World, operation

_TOLD = ("email", "name", "phone", "description", "address")


@operation("POST", "/v1/customers")
def create_customer(world: World, params: Object) -> Object:
    """Somebody who pays."""
    clock = params.get("test_clock")
    if clock is not None:
        world.get("test_helpers.test_clock", clock, "test_clock")
    customer = world.new(
        "customer",
        clock=clock,
        **{name: params.get(name) for name in _TOLD},
        balance=0,
        currency=None,
        delinquent=False,
        invoice_settings={"default_payment_method": None, "custom_fields": None, "footer": None},
        metadata=metadata(params),
        preferred_locales=[],
        tax_exempt="none",
        test_clock=clock,
    )
    world.emit("customer.created", customer)
    if "payment_method" in params:
        attach(world, {"customer": customer["id"]}, params["payment_method"])
    if "invoice_settings" in params:
        update_customer(world, {"invoice_settings": params["invoice_settings"]}, customer["id"])
    return customer


@operation("GET", "/v1/customers/{customer}")
def read_customer(world: World, _: Object, customer: str) -> Object:
    """One customer."""
    return world.get("customer", customer)


@operation("GET", "/v1/customers")
def list_customers(world: World, params: Object) -> Object:
    """Customers, newest first."""
    equal = {name: params[name] for name in ("email", "test_clock") if name in params}
    return world.page("customer", params, "/v1/customers", **equal)


@operation("POST", "/v1/customers/{customer}")
def update_customer(world: World, params: Object, customer: str) -> Object:
    """Change what is known of somebody."""
    one = world.get("customer", customer)
    settings = dict(one["invoice_settings"])
    if "invoice_settings" in params:
        method = params["invoice_settings"].get("default_payment_method") or None
        if method is not None and world.get("payment_method", method)["customer"] != customer:
            raise invalid(
                "The customer does not have a payment method with the ID " + method,
                "invoice_settings[default_payment_method]",
                "resource_missing",
            )
        settings["default_payment_method"] = method
    changes = {name: params[name] or None for name in _TOLD if name in params}
    return world.change(
        "customer.updated",
        one,
        **changes,
        invoice_settings=settings,
        metadata=metadata(params, one["metadata"]),
    )


# Payment methods


@operation("POST", "/v1/payment_methods")
def create_payment_method(world: World, params: Object) -> Object:
    """A card, by its number or a test token."""
    if params.get("type") != "card":
        raise invalid("This account takes cards only.", "type")
    card = params.get("card") or {}
    if "token" in card:
        known = BY_TOKEN.get(card["token"].replace("tok_", "pm_card_"))
    else:
        known = BY_NUMBER.get(text(card, "number").replace(" ", ""))
    if known is None:
        raise StripeError(
            402, "card_error", "Your card number is incorrect.", code="incorrect_number", param="number"
        )
    return new_card(world, known)


def new_card(world: World, card: Card, customer: str | None = None, name: str | None = None) -> Object:
    """A payment method for a test card."""
    return world.new(
        "payment_method",
        clock=world.clock_of(customer),
        billing_details={"address": None, "email": None, "name": name, "phone": None},
        card={
            "brand": card.brand,
            "country": "US",
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": f"fp{card.number[-8:]}",
            "funding": "credit",
            "last4": card.last4,
        },
        customer=customer,
        metadata={},
        type="card",
        simulated=card.token,
    )


@operation("GET", "/v1/payment_methods/{method}")
def read_payment_method(world: World, _: Object, method: str) -> Object:
    """One payment method."""
    return world.get("payment_method", method)


@operation("POST", "/v1/payment_methods/{method}/attach")
def attach(world: World, params: Object, method: str) -> Object:
    """Give a card to a customer; a test token becomes a card of its own."""
    customer = world.get("customer", text(params, "customer"), "customer")
    one = method_named(world, method)
    if one["customer"] not in (None, customer["id"]):
        raise invalid("The payment method you provided has already been attached to a customer.")
    world.save(one, customer=customer["id"])
    world.emit("payment_method.attached", one)
    return one


def method_named(world: World, name: str) -> Object:
    """A payment method by its id; a `pm_card_...` token makes a new one."""
    if name in BY_TOKEN:
        return new_card(world, BY_TOKEN[name])
    found = world.store.get("payment_method", name)
    if found is None:
        raise missing("PaymentMethod", name, "payment_method")
    return found


@operation("POST", "/v1/payment_methods/{method}/detach")
def detach(world: World, _: Object, method: str) -> Object:
    """Take a card away from its customer."""
    one = world.get("payment_method", method)
    customer = one["customer"]
    if customer is None:
        raise invalid("The payment method you provided is not attached to a customer.")
    holder = world.get("customer", customer)
    if holder["invoice_settings"]["default_payment_method"] == method:
        world.save(holder, invoice_settings={**holder["invoice_settings"], "default_payment_method": None})
    world.save(one, customer=None)
    world.emit("payment_method.detached", one, {"customer": customer})
    return one


@operation("GET", "/v1/payment_methods")
def list_payment_methods(world: World, params: Object) -> Object:
    """A customer's cards, newest first."""
    return world.page("payment_method", params, "/v1/payment_methods", customer=text(params, "customer"), type="card")


@operation("GET", "/v1/customers/{customer}/payment_methods")
def list_customers_payment_methods(world: World, params: Object, customer: str) -> Object:
    """The same, by the customer's own path."""
    return world.page("payment_method", params, f"/v1/customers/{customer}/payment_methods", customer=customer)
