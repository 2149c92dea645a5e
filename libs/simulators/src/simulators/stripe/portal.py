"""The billing portal: a page where a customer looks after a subscription and its card."""

from simulators.stripe.errors import invalid
from simulators.stripe.forms import text
from simulators.stripe.routing import Object, World, operation


@operation("POST", "/v1/billing_portal/sessions")
def create_portal_session(world: World, params: Object) -> Object:
    """A way in for one customer; `url` is where."""
    customer = world.get("customer", text(params, "customer"), "customer")
    session = world.new(
        "billing_portal.session",
        clock=customer["test_clock"],
        configuration="bpc_simulated",
        customer=customer["id"],
        flow=None,
        locale=params.get("locale"),
        on_behalf_of=None,
        return_url=params.get("return_url"),
        url=None,
    )
    return world.save(session, url=f"{world.base_url}/p/session/{session['id']}")


def choices(world: World, currency: str) -> list[Object]:
    """The prices a customer may change to: all active recurring ones, cheapest first."""
    found = [
        price
        for price in world.store.all("price", active=True, currency=currency)
        if price["recurring"] is not None and world.get("product", price["product"])["active"]
    ]
    return sorted(found, key=lambda price: (price["unit_amount"], price["id"]))


def live_subscription(world: World, customer: str) -> Object | None:
    """The customer's subscription that has not ended."""
    for subscription in world.store.all("subscription", customer=customer):
        if subscription["status"] not in ("canceled", "incomplete_expired", "incomplete"):
            return subscription
    return None


def wanted_price(world: World, identity: str, currency: str) -> Object:
    """A price that the portal offers."""
    for price in choices(world, currency):
        if price["id"] == identity:
            return price
    raise invalid("This plan is not offered.", "price")
