"""Subscriptions: begun, renewed, changed with proration, dunned, ended."""

import calendar
from datetime import UTC, datetime

from simulators.stripe import invoices
from simulators.stripe.customers import method_named
from simulators.stripe.errors import invalid, missing_param
from simulators.stripe.forms import boolean, choice, integer, metadata, text
from simulators.stripe.payments import Declined
from simulators.stripe.routing import Object, World, operation

_RETRIES_AFTER_DAYS = (3, 5, 7)
_PRORATIONS = ("create_prorations", "always_invoice", "none")
_INCOMPLETE_S = 23 * 3_600


def after(moment: int, price: Object, anchor: int) -> int:
    """The end of the period that begins then; months keep the anchor's day, or their last one."""
    recurring = price["recurring"]
    count, interval = recurring["interval_count"], recurring["interval"]
    if interval in ("day", "week"):
        return int(moment + count * 86_400 * (7 if interval == "week" else 1))
    begin, anchored = datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(anchor, UTC)
    months = begin.year * 12 + begin.month - 1 + count * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(anchored.day, calendar.monthrange(year, month + 1)[1])
    return int(anchored.replace(year=year, month=month + 1, day=day).timestamp())


def plan_of(price: Object) -> Object:
    """The price in the older form that subscription items still show beside it."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def begin(
    world: World, customer: str, price: Object, *, quantity: int = 1, marked: dict[str, str] | None = None,
    method: str | None = None, discount: int = 0, tax_percent: float = 0,
) -> tuple[Object, Object]:  # fmt: skip
    """A subscription, incomplete until its first invoice is paid, and that invoice, drafted."""
    if price["recurring"] is None:
        raise invalid("The price specified is set to `type=one_time` but this field only accepts recurring prices.")
    clock = world.clock_of(customer)
    now = world.now(clock)
    end = after(now, price, now)
    subscription = world.new(
        "subscription",
        clock=clock,
        automatic_tax={"enabled": tax_percent > 0},
        billing_cycle_anchor=now,
        billing_mode={"type": "flexible"},
        billing_schedules=[],
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        currency=price["currency"],
        customer=customer,
        default_payment_method=method,
        description=None,
        discounts=[],
        ended_at=None,
        invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
        latest_invoice=None,
        metadata=dict(marked or {}),
        pending_update=None,
        start_date=now,
        status="incomplete",
        test_clock=clock,
        tax_percent=tax_percent,
        trial_end=None,
        trial_start=None,
    )
    item = {
        "id": world.identity("subscription_item"),
        "object": "subscription_item",
        "created": now,
        "current_period_start": now,
        "current_period_end": end,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription["id"],
    }
    items = {"object": "list", "data": [item], "has_more": False, "total_count": 1}
    world.save(subscription, items={**items, "url": f"/v1/subscription_items?subscription={subscription['id']}"})
    world.emit("customer.subscription.created", subscription)
    invoice = invoices.draft(
        world,
        customer,
        [_period_line(world, subscription, price, quantity, now, end)],
        "subscription_create",
        subscription=subscription,
        discount=discount,
        tax_percent=tax_percent,
    )
    world.save(subscription, latest_invoice=invoice["id"])
    return subscription, invoice


def _period_line(world: World, subscription: Object, price: Object, quantity: int, start: int, end: int) -> Object:  # noqa: PLR0917
    name = world.get("product", price["product"])["name"]
    return invoices.new_line(
        world,
        amount=price["unit_amount"] * quantity,
        description=f"{quantity} x {name} (at ${price['unit_amount'] / 100:.2f} / {price['recurring']['interval']})",
        period=(start, end),
        price=price,
        quantity=quantity,
        subscription=subscription,
    )


def invoice_ended(world: World, invoice: Object) -> None:
    """A subscription's invoice was paid: what waited for it goes on."""
    if invoice["parent"] is None:
        return
    subscription = world.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        world.change("customer.subscription.updated", subscription, status="active")


def invoice_failed(world: World, invoice: Object) -> None:
    """A renewal was not paid: asked for again in some days, and given up in the end."""
    assert invoice["parent"] is not None
    subscription = world.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    clock = world.clock_of(invoice["customer"])
    tried = invoice["attempt_count"]
    if tried <= len(_RETRIES_AFTER_DAYS):
        again = world.now(clock) + _RETRIES_AFTER_DAYS[tried - 1] * invoices.DAY
        world.save(invoice, next_payment_attempt=again)
        if subscription["status"] == "active":
            world.change("customer.subscription.updated", subscription, status="past_due")
        return
    world.save(invoice, next_payment_attempt=None)
    if world.dials.now.dunning_ends == "unpaid":
        world.change("customer.subscription.updated", subscription, status="unpaid")
    else:
        end(world, subscription, "payment_failed")


def end(world: World, subscription: Object, reason: str) -> Object:
    """It is over."""
    now = world.now(world.clock_of(subscription["customer"]))
    world.save(
        subscription,
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        cancellation_details={**subscription["cancellation_details"], "reason": reason},
    )
    world.emit("customer.subscription.deleted", subscription)
    return subscription


# What time brings


def next_due(world: World, clock: str | None) -> tuple[int, Object] | None:
    """The next moment at which something of this clock happens by itself, and to what."""
    found: list[tuple[int, str, Object]] = []
    for subscription in world.store.all("subscription", test_clock=clock):
        if subscription["status"] in ("active", "past_due"):
            item = subscription["items"]["data"][0]
            found.append((item["current_period_end"], subscription["id"], subscription))
        elif subscription["status"] == "incomplete":
            found.append((subscription["created"] + _INCOMPLETE_S, subscription["id"], subscription))
    for invoice in world.store.all("invoice", test_clock=clock):
        moment = invoice["automatically_finalizes_at"] if invoice["status"] == "draft" else None
        if invoice["status"] == "open":
            moment = invoice["next_payment_attempt"]
        if moment is not None:
            found.append((moment, invoice["id"], invoice))
    if not found:
        return None
    moment, _, one = min(found, key=lambda due: due[:2])
    return moment, one


def happen(world: World, one: Object) -> None:
    """Do what is due to a subscription or an invoice."""
    if one["object"] == "invoice":
        _ask_for(world, one)
    elif one["status"] == "incomplete":
        world.change("customer.subscription.updated", one, status="incomplete_expired")
    elif one["cancel_at_period_end"]:
        end(world, one, "cancellation_requested")
    else:
        _renew(world, one)


def _ask_for(world: World, invoice: Object) -> None:
    try:
        invoices.collect(world, invoice)
    except Declined:
        invoice_failed(world, invoice)
        return
    if invoice["status"] == "paid":
        invoice_ended(world, invoice)


def _renew(world: World, subscription: Object) -> None:
    (item,) = subscription["items"]["data"]
    start = item["current_period_end"]
    finish = after(start, item["price"], subscription["billing_cycle_anchor"])
    renewed = {**item, "current_period_start": start, "current_period_end": finish}
    world.change("customer.subscription.updated", subscription, items={**subscription["items"], "data": [renewed]})
    line = _period_line(world, subscription, item["price"], item["quantity"], start, finish)
    pending = list(subscription.pop("pending_lines", []))
    invoice = invoices.draft(
        world,
        subscription["customer"],
        [*pending, line],
        "subscription_cycle",
        subscription=subscription,
        tax_percent=subscription["tax_percent"],
    )
    world.save(subscription, latest_invoice=invoice["id"])


# The API


@operation("POST", "/v1/subscriptions")
def create_subscription(world: World, params: Object) -> Object:
    """Begin one and have it paid."""
    customer = world.get("customer", text(params, "customer"), "customer")
    items = params.get("items")
    if not isinstance(items, list) or len(items) != 1:
        raise invalid("This simulator knows subscriptions of exactly one item.", "items")
    price = world.get("price", text(items[0], "price"), "items[0][price]")
    method = params.get("default_payment_method")
    subscription, invoice = begin(
        world,
        customer["id"],
        price,
        quantity=integer(items[0], "quantity", 1),
        marked=metadata(params),
        method=method_named(world, method)["id"] if method else None,
    )
    try:
        invoices.collect(world, invoice)
    except Declined:
        if params.get("payment_behavior") == "error_if_incomplete":
            end(world, subscription, "payment_failed")
            raise
        return subscription
    if invoice["status"] == "paid":
        invoice_ended(world, invoice)
    return subscription


@operation("GET", "/v1/subscriptions/{subscription}")
def read_subscription(world: World, _: Object, subscription: str) -> Object:
    """One subscription."""
    return world.get("subscription", subscription)


@operation("GET", "/v1/subscriptions")
def list_subscriptions(world: World, params: Object) -> Object:
    """Subscriptions, newest first; ended ones only with `status=all` or by that status."""
    equal: Object = {name: params[name] for name in ("customer", "test_clock") if name in params}
    status = params.get("status")
    if status not in (None, "all"):
        equal["status"] = status
    page = world.page("subscription", params, "/v1/subscriptions", **equal)
    if status is None:
        page["data"] = [one for one in page["data"] if one["status"] != "canceled"]
    return page


@operation("POST", "/v1/subscriptions/{subscription}")
def update_subscription(world: World, params: Object, subscription: str) -> Object:
    """Another price, with proration; an end at the period's end, or not after all; metadata; another card."""
    one = world.get("subscription", subscription)
    if one["status"] in ("canceled", "incomplete_expired"):
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    if "items" in params:
        _change_items(world, one, params)
    changes: Object = {"metadata": metadata(params, one["metadata"])}
    if "cancel_at_period_end" in params:
        ends = boolean(params, "cancel_at_period_end")
        now = world.now(world.clock_of(one["customer"]))
        changes |= {
            "cancel_at_period_end": ends,
            "cancel_at": one["items"]["data"][0]["current_period_end"] if ends else None,
            "canceled_at": now if ends else None,
        }
    if "default_payment_method" in params:
        changes["default_payment_method"] = method_named(world, params["default_payment_method"])["id"]
    return world.change("customer.subscription.updated", one, **changes)


def _change_items(world: World, subscription: Object, params: Object) -> None:
    (item,) = subscription["items"]["data"]
    wanted = params["items"]
    if not isinstance(wanted, list) or len(wanted) != 1 or wanted[0].get("id") != item["id"]:
        raise missing_param("items[0][id]")
    price = item["price"]
    if "price" in wanted[0]:
        price = world.get("price", wanted[0]["price"], "items[0][price]")
    quantity = integer(wanted[0], "quantity", item["quantity"])
    behaviour = choice(params, "proration_behavior", _PRORATIONS, "create_prorations")
    change_price(
        world,
        subscription,
        price,
        quantity=quantity,
        behaviour=behaviour,
        moment=integer(params, "proration_date") if "proration_date" in params else None,
        strict=params.get("payment_behavior") == "error_if_incomplete",
    )


def change_price(
    world: World, subscription: Object, price: Object, *, quantity: int = 1, behaviour: str = "create_prorations",
    moment: int | None = None, strict: bool = False,
) -> None:  # fmt: skip
    """Another price from now on. What was paid and not used comes back, what is left of the period is paid anew."""
    (item,) = subscription["items"]["data"]
    if price["recurring"] is None or price["currency"] != subscription["currency"]:
        raise invalid("The new price must be recurring and of the same currency.", "items[0][price]")
    now = world.now(world.clock_of(subscription["customer"]))
    start, finish = item["current_period_start"], item["current_period_end"]
    lines = []
    if behaviour != "none" and (price["id"], quantity) != (item["price"]["id"], item["quantity"]):
        left = (finish - (moment or now)) / (finish - start)
        lines = _prorations(world, subscription, item, price, quantity, left, (moment or now, finish))
    before = {"items": {**subscription["items"]}}
    changed = {**item, "plan": plan_of(price), "price": price, "quantity": quantity}
    if price["recurring"] != item["price"]["recurring"]:  # another rhythm begins anew
        end_ = after(now, price, now)
        changed |= {"current_period_start": now, "current_period_end": end_}
        lines = [
            *lines[:1],
            _period_line(world, subscription, price, quantity, now, end_),
        ]
        behaviour = "always_invoice"
        world.save(subscription, billing_cycle_anchor=now)
    world.save(subscription, items={**subscription["items"], "data": [changed]})
    if lines and behaviour == "always_invoice":
        _invoice_now(world, subscription, lines, item if strict else None)
    elif lines:
        world.save(subscription, pending_lines=[*subscription.get("pending_lines", []), *lines])
    world.emit("customer.subscription.updated", subscription, before)


def _invoice_now(world: World, subscription: Object, lines: list[Object], undo: Object | None) -> None:
    invoice = invoices.draft(
        world,
        subscription["customer"],
        lines,
        "subscription_update",
        subscription=subscription,
        tax_percent=subscription["tax_percent"],
    )
    try:
        invoices.collect(world, invoice)
    except Declined:
        if undo is not None:
            invoices.void_invoice(world, {}, invoice["id"])
            world.save(subscription, items={**subscription["items"], "data": [undo]})
            raise
        invoice_failed(world, invoice)
    world.save(subscription, latest_invoice=invoice["id"])


def _prorations(  # noqa: PLR0917
    world: World, subscription: Object, item: Object, price: Object, quantity: int, left: float, span: tuple[int, int]
) -> list[Object]:
    old, names = item["price"], {}
    for one in (old, price):
        names[one["id"]] = world.get("product", one["product"])["name"]
    day = datetime.fromtimestamp(span[0], UTC).strftime("%d %b %Y")
    given_back = -round(old["unit_amount"] * item["quantity"] * left)
    to_pay = round(price["unit_amount"] * quantity * left)
    return [
        invoices.new_line(
            world, amount=given_back, price=old, quantity=item["quantity"],
            description=f"Unused time on {names[old['id']]} after {day}",
            period=span, subscription=subscription, proration=True,
        ),
        invoices.new_line(
            world, amount=to_pay, price=price, quantity=quantity,
            description=f"Remaining time on {names[price['id']]} after {day}",
            period=span, subscription=subscription, proration=True,
        ),
    ]  # fmt: skip


@operation("DELETE", "/v1/subscriptions/{subscription}")
def cancel_subscription(world: World, _: Object, subscription: str) -> Object:
    """End it now."""
    one = world.get("subscription", subscription)
    if one["status"] == "canceled":
        raise invalid(f"No such subscription: '{subscription}'", "id", "resource_missing")
    return end(world, one, "cancellation_requested")
