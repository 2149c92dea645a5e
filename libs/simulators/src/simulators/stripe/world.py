"""The simulated account: its objects, its time, and the events that tell of every change."""

import secrets
import string
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from simulators.dials import Dials
from simulators.stripe.errors import StripeError, invalid, missing
from simulators.stripe.forms import integer
from simulators.stripe.store import Object, Store

API_VERSION = "2026-10-28.endive"
_LETTERS = string.ascii_letters + string.digits
_PREFIXES = {
    "customer": "cus", "product": "prod", "price": "price", "coupon": "co", "payment_method": "pm",
    "payment_intent": "pi", "setup_intent": "seti", "charge": "ch", "refund": "re", "dispute": "du",
    "balance_transaction": "txn", "checkout.session": "cs_test", "subscription": "sub", "subscription_item": "si",
    "invoice": "in", "line_item": "il", "invoice_payment": "inpay", "event": "evt", "webhook_endpoint": "we",
    "billing_portal.session": "bps", "test_helpers.test_clock": "clock", "item": "li",
}  # fmt: skip
_NAMES = {"test_helpers.test_clock": "test clock", "checkout.session": "checkout session"}
_WITHOUT_MODE = ("balance_transaction", "refund")
_PAGE, _LONGEST_PAGE = 10, 100


class World:
    """What every operation works on. `listen` is called with each new event."""

    def __init__(self, store: Store, dials: Dials) -> None:
        self.store = store
        self.dials = dials
        self.base_url = ""
        self.listen: Callable[[Object], None] = lambda _: None
        self._moment: tuple[str | None, int] | None = None
        self._request: Object = {"id": None, "idempotency_key": None}

    # Time

    def now(self, clock: str | None = None) -> int:
        """Unix seconds: of a test clock, or of this machine."""
        if self._moment is not None and self._moment[0] == clock:
            return self._moment[1]
        if clock is None:
            return int(time.time())
        frozen: int = self.get("test_helpers.test_clock", clock)["frozen_time"]
        return frozen

    def at(self, clock: str | None, moment: int | None) -> None:
        """Act as if it were that moment on a clock, until told otherwise."""
        self._moment = None if moment is None else (clock, moment)

    def clock_of(self, customer: str | None) -> str | None:
        """The test clock a customer lives by."""
        if customer is None:
            return None
        clock: str | None = self.get("customer", customer).get("test_clock")
        return clock

    # Objects

    def identity(self, kind: str) -> str:
        """A new id in Stripe's form."""
        return f"{_PREFIXES[kind]}_" + "".join(secrets.choice(_LETTERS) for _ in range(24))

    def new(self, kind: str, *, clock: str | None = None, **fields: Any) -> Object:
        """A new object, kept."""
        one = {
            "id": self.identity(kind),
            "object": kind,
            "created": self.now(clock),
            **({} if kind in _WITHOUT_MODE else {"livemode": False}),
            **fields,
        }
        return self.store.put(one)

    def get(self, kind: str, identity: str, param: str = "id") -> Object:
        """An object that must be there."""
        found = self.store.get(kind, identity)
        if found is None:
            raise missing(_NAMES.get(kind, kind), identity, param)
        return found

    def save(self, one: Object, **changes: Any) -> Object:
        """Change an object."""
        one.update(changes)
        return self.store.put(one)

    def page(self, kind: str, params: Object, url: str, **equal: Any) -> Object:
        """A page of a list, newest first, as its parameters ask: limit, starting_after, ending_before, created."""
        limit = integer(params, "limit", _PAGE)
        if not 1 <= limit <= _LONGEST_PAGE:
            raise invalid(f"limit must be between 1 and {_LONGEST_PAGE}", "limit")
        found = [one for one in self.store.all(kind, **equal) if _within(one["created"], params.get("created"))]
        ids = [one["id"] for one in found]
        for name in ("starting_after", "ending_before"):
            if name in params and params[name] not in ids:
                raise missing(_NAMES.get(kind, kind), params[name], name)
        if "starting_after" in params:
            found = found[ids.index(params["starting_after"]) + 1 :]
        if "ending_before" in params:
            before = found[: ids.index(params["ending_before"])]
            return {"object": "list", "url": url, "has_more": len(before) > limit, "data": before[-limit:]}
        return {"object": "list", "url": url, "has_more": len(found) > limit, "data": found[:limit]}

    # Events

    def during(self, request: Object) -> None:
        """Name the request that causes what happens next."""
        self._request = request

    def emit(self, kind: str, one: Object, previous: Object | None = None) -> Object:
        """Tell that something happened to an object; the event shows it as it is now."""
        data: Object = {"object": deepcopy(one)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": self.identity("event"),
            "object": "event",
            "api_version": API_VERSION,
            # Of this machine's clock, whatever test clock the object lives by: events are listed by it.
            "created": int(time.time()),
            "data": data,
            "livemode": False,
            "pending_webhooks": sum(
                wanted(kind, endpoint) for endpoint in self.store.all("webhook_endpoint", status="enabled")
            ),
            "request": dict(self._request),
            "type": kind,
        }
        self.store.put(event)
        self.listen(event)
        return event

    def change(self, kind: str, one: Object, **changes: Any) -> Object:
        """Change an object and tell what it was before; without a difference nothing is told."""
        previous = {name: deepcopy(one.get(name)) for name, value in changes.items() if one.get(name) != value}
        self.save(one, **changes)
        if previous:
            self.emit(kind, one, previous)
        return one


def matches(kind: str, pattern: str) -> bool:
    """Whether a type of event is meant by a name that may end in a star."""
    return pattern in ("*", kind) or (pattern.endswith("*") and kind.startswith(pattern[:-1]))


def wanted(kind: str, endpoint: Object) -> bool:
    """Whether an endpoint is told of this type of event."""
    return any(matches(kind, pattern) for pattern in endpoint["enabled_events"])


def _within(created: int, wanted: Any) -> bool:
    if wanted is None:
        return True
    if not isinstance(wanted, dict):
        return created == integer({"created": wanted}, "created")
    holds: dict[str, Callable[[int], bool]] = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    for name in wanted:
        if name not in holds:
            raise StripeError(400, "invalid_request_error", f"Received unknown parameter: created[{name}]")
    return all(holds[name](integer(wanted, name)) for name in wanted)
