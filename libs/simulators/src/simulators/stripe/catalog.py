"""What is sold: products, prices, coupons."""

from typing import Any

from simulators.stripe.errors import invalid
from simulators.stripe.forms import boolean, choice, integer, metadata, text
from simulators.stripe.routing import Object, World, operation

_INTERVALS = ("day", "week", "month", "year")
_LARGEST = 99_999_999


@operation("POST", "/v1/products")
def create_product(world: World, params: Object) -> Object:
    """A thing with a name."""
    if "id" in params and world.store.any(params["id"]) is not None:
        raise invalid(f"Product already exists: {params['id']}", "id", "resource_already_exists")
    product = world.new(
        "product",
        name=text(params, "name"),
        active=boolean(params, "active", default=True),
        description=params.get("description"),
        default_price=None,
        images=[],
        marketing_features=[],
        metadata=metadata(params),
        updated=world.now(),
        tax_code=params.get("tax_code"),
        type="service",
    )
    if "id" in params:
        product = _renamed(world, product, params["id"])
    world.emit("product.created", product)
    return product


def _renamed(world: World, one: Object, identity: str) -> Object:
    """The same object under an id that the caller chose."""
    world.store.forget(one["id"])
    return world.save({**one, "id": identity})


@operation("GET", "/v1/products/{product}")
def read_product(world: World, _: Object, product: str) -> Object:
    """One product."""
    return world.get("product", product)


@operation("GET", "/v1/products")
def list_products(world: World, params: Object) -> Object:
    """Products, newest first."""
    return world.page("product", params, "/v1/products")


@operation("POST", "/v1/prices")
def create_price(world: World, params: Object) -> Object:
    """What a product costs, once or again and again."""
    key = params.get("lookup_key")
    for other in list(world.store.all("price", lookup_key=key)) if key else []:
        if not boolean(params, "transfer_lookup_key"):
            raise invalid(f"A price (`{other['id']}`) already uses that lookup key.", "lookup_key")
        world.save(other, lookup_key=None)
    return new_price(world, params)


def new_price(world: World, params: Object) -> Object:
    """A price of a product that exists or comes with it."""
    if "product_data" in params:
        product = create_product(world, params["product_data"])["id"]
    else:
        product = world.get("product", text(params, "product"), "product")["id"]
    recurring = params.get("recurring")
    amount = integer(params, "unit_amount")
    if not 0 <= amount <= _LARGEST:
        raise invalid("Invalid unit_amount.", "unit_amount")
    price = world.new(
        "price",
        active=True,
        billing_scheme="per_unit",
        currency=text(params, "currency").lower(),
        lookup_key=params.get("lookup_key"),
        metadata=metadata(params),
        nickname=params.get("nickname"),
        product=product,
        recurring=None if recurring is None else _recurring(recurring),
        tax_behavior=params.get("tax_behavior", "unspecified"),
        type="one_time" if recurring is None else "recurring",
        unit_amount=amount,
        unit_amount_decimal=str(amount),
    )
    world.emit("price.created", price)
    return price


def _recurring(params: Any) -> Object:
    if not isinstance(params, dict):
        raise invalid("Invalid object: recurring", "recurring")
    return {
        "interval": choice(params, "interval", _INTERVALS),
        "interval_count": integer(params, "interval_count", 1),
        "usage_type": "licensed",
        "meter": None,
        "trial_period_days": None,
    }


@operation("GET", "/v1/prices/{price}")
def read_price(world: World, _: Object, price: str) -> Object:
    """One price."""
    return world.get("price", price)


@operation("POST", "/v1/prices/{price}")
def update_price(world: World, params: Object, price: str) -> Object:
    """Retire a price, or rename it; what it costs never changes."""
    one = world.get("price", price)
    return world.change(
        "price.updated",
        one,
        active=boolean(params, "active", default=one["active"]),
        nickname=params.get("nickname", one["nickname"]),
        metadata=metadata(params, one["metadata"]),
    )


@operation("GET", "/v1/prices")
def list_prices(world: World, params: Object) -> Object:
    """Prices, newest first; by product, by activity, by lookup keys."""
    keys = params.get("lookup_keys")
    if keys is not None:
        found = [one for one in world.store.all("price") if one["lookup_key"] in keys]
        return {"object": "list", "url": "/v1/prices", "has_more": False, "data": found}
    equal: Object = {name: params[name] for name in ("product", "currency", "type") if name in params}
    if "active" in params:
        equal["active"] = boolean(params, "active")
    return world.page("price", params, "/v1/prices", **equal)


@operation("POST", "/v1/coupons")
def create_coupon(world: World, params: Object) -> Object:
    """So much less, in percent or as an amount."""
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if (percent is None) == (amount is None):
        raise invalid("You must pass either percent_off or amount_off.", "percent_off")
    coupon = world.new(
        "coupon",
        amount_off=None if amount is None else integer(params, "amount_off"),
        currency=params.get("currency"),
        duration=choice(params, "duration", ("forever", "once", "repeating"), "once"),
        metadata=metadata(params),
        name=params.get("name"),
        percent_off=None if percent is None else float(percent),
        times_redeemed=0,
        valid=True,
    )
    return _renamed(world, coupon, params["id"]) if "id" in params else coupon


@operation("GET", "/v1/coupons/{coupon}")
def read_coupon(world: World, _: Object, coupon: str) -> Object:
    """One coupon."""
    return world.get("coupon", coupon)


def discount_of(coupon: Object, amount: int) -> int:
    """What a coupon takes off an amount, in cents."""
    if coupon["amount_off"] is not None:
        return min(amount, int(coupon["amount_off"]))
    return min(amount, round(amount * float(coupon["percent_off"]) / 100))
