"""Every object has the fields that the official SDK declares for this API version, and no others."""

import inspect
import typing
from typing import Any

import stripe
from stripe import StripeObject

from .conftest import Account
from .test_checkout import plan, session_for
from .test_subscriptions import START, advance, subscribed

# Fields that Stripe sends in test mode and the SDK does not declare.
UNDECLARED = {("charge", "destination"), ("charge", "dispute")}


def declared(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base is not StripeObject and issubclass(base, StripeObject):
            found |= {name: hint for name, hint in inspect.get_annotations(base).items() if name != "OBJECT_NAME"}
    return {name: hint for name, hint in found.items() if not name.startswith("_")}


def optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def faults(thing: Any, path: str) -> list[str]:
    if isinstance(thing, list):
        return [fault for one in thing for fault in faults(one, path)]
    if not isinstance(thing, StripeObject):
        return []
    kind = thing._data.get("object")
    known, here = declared(type(thing)), kind if isinstance(kind, str) else path
    found = []
    if known and type(thing) is not stripe.ListObject:
        found += [
            f"{path}.{name} is not declared"
            for name in thing._data
            if name not in known and (here, name) not in UNDECLARED
        ]
        for name, hint in known.items():
            if optional(hint):
                continue
            if name not in thing._data:
                found.append(f"{path}.{name} is missing")
            elif thing._data[name] is None:
                found.append(f"{path}.{name} may not be null")
    for name, value in thing._data.items():
        found += faults(value, f"{here}.{name}")
    return found


async def live(account: Account) -> None:
    """A bit of everything."""
    v1 = account.client.v1
    await account.dial(tax_percent=10)
    cheap, dear = await plan(account, 2_000), await plan(account, 9_000)
    clock, subscription = await subscribed(account, cheap)
    await advance(account, clock, START + 10 * 86_400)
    item = subscription["items"]["data"][0]["id"]
    await v1.subscriptions.update_async(subscription.id, {"items": [{"id": item, "price": dear.id}]})
    await advance(account, clock, START + 40 * 86_400)
    await v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    coupon = await v1.coupons.create_async({"percent_off": 50})
    customer = await v1.customers.create_async({"email": "ada@example.org"})
    once = await session_for(
        account, customer=customer.id, invoice_creation={"enabled": True}, discounts=[{"coupon": coupon.id}],
        automatic_tax={"enabled": True},
    )  # fmt: skip
    await account.pay(str(once.url), "4000 0000 0000 0002")
    _, bank, _ = await account.pay(str(once.url), "4000 0027 6000 3184")
    await account.browse("POST", bank, answer="complete")
    monthly = await session_for(account, "subscription", line_items=[{"price": cheap.id, "quantity": 1}])
    await account.pay(str(monthly.url))
    kept = await session_for(account, "setup", customer=customer.id)
    await account.pay(str(kept.url))
    for method in ("pm_card_createDispute", "pm_card_visa"):
        intent = await v1.payment_intents.create_async(
            {"amount": 500, "currency": "usd", "payment_method": method, "confirm": True}
        )
    await v1.refunds.create_async({"payment_intent": intent.id})
    await v1.webhook_endpoints.create_async({"url": account.inbox.url, "enabled_events": ["*"]})


async def test_no_field_is_misnamed_missing_or_made_up(account: Account) -> None:
    await live(account)
    v1 = account.client.v1
    services: list[Any] = [
        v1.balance_transactions, v1.charges, v1.checkout.sessions, v1.customers, v1.disputes, v1.events,
        v1.invoice_payments, v1.invoices, v1.payment_intents, v1.prices, v1.products, v1.refunds, v1.subscriptions,
        v1.test_helpers.test_clocks, v1.webhook_endpoints,
    ]  # fmt: skip
    found: set[str] = set()
    for service in services:
        page = (await service.list_async({"limit": 100})).data
        assert page, type(service).__name__
        found |= set(faults(page, page[0].object))
    customer = (await v1.customers.list_async({"limit": 1})).data[0].id
    for one in (await v1.customers.list_async()).data:
        found |= set(faults((await v1.payment_methods.list_async({"customer": one.id})).data, "payment_method"))
    portal = await v1.billing_portal.sessions.create_async({"customer": customer})
    setup = await v1.setup_intents.create_async({"customer": customer})
    coupon = await v1.coupons.create_async({"percent_off": 5})
    found |= set(faults([portal, setup, coupon], ""))
    assert not found, "\n".join(sorted(found))
