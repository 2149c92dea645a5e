"""Buying credits: packages, plans, orders, the subscription, invoices. Billing decides; this asks it."""

from typing import Any
from uuid import UUID, uuid5

from starlette.requests import Request
from starlette.responses import Response

from common.credits import from_credits
from common.ids import new_id
from gateway.accounts.repository import AccountRows
from gateway.api.answers import answer
from gateway.api.desk import Desk, idempotency_key
from gateway.billing_api import HttpBillingApi
from gateway.errors import InvalidRequest, NotFound

_ORDERS = UUID("7f4c1a0e-3f0b-5c58-9d8e-0a2f6f1f4b11")
_MAX_URL_CHARS = 2_000
_MOST_CENTS = 10_000_000


class Purchasing:
    """Calls under ``/api/v1`` that have to do with money."""

    def __init__(self, desk: Desk, billing: HttpBillingApi, accounts: AccountRows, back_url: str) -> None:
        self._desk = desk
        self._billing = billing
        self._accounts = accounts
        self._back_url = back_url

    async def packages(self, request: Request) -> Response:
        """What can be bought once."""
        return await self._offers(request, "package")

    async def plans(self, request: Request) -> Response:
        """What can be subscribed to."""
        return await self._offers(request, "plan")

    async def order(self, request: Request) -> Response:
        """Order a package or a plan: ``url`` is the page to pay it on. An Idempotency-Key makes it one order."""
        caller = await self._desk.caller(request)
        fields = (await self._desk.read(request, caller, new_id(), forms=False)).fields
        kind, offer = _one_of(fields, "package", "plan")
        key = idempotency_key(request)
        placed = await self._billing.ask(
            "POST",
            "/internal/orders",
            {
                "order_id": str(new_id() if key is None else uuid5(_ORDERS, f"{caller.account_id}:{key}")),
                "account_id": str(caller.account_id),
                "email": await self._accounts.email(caller.account_id),
                "kind": kind,
                "offer": offer,
                "success_url": self._url(fields, "success_url"),
                "cancel_url": self._url(fields, "cancel_url"),
            },
        )
        return answer(_order(placed), 201)

    async def read_order(self, request: Request) -> Response:
        """What became of an order."""
        caller = await self._desk.caller(request)
        try:
            order_id = UUID(request.path_params["id"].removeprefix("order_"))
        except ValueError:
            raise NotFound("There is no such order.") from None
        found = await self._billing.ask("GET", f"/internal/accounts/{caller.account_id}/orders/{order_id}")
        return answer(_order(found))

    async def subscription(self, request: Request) -> Response:
        """The account's subscription; null without one."""
        caller = await self._desk.caller(request)
        return answer(await self._billing.ask("GET", f"/internal/accounts/{caller.account_id}/subscription"))

    async def change_subscription(self, request: Request) -> Response:
        """``plan``: change to it now, paying the difference. ``cancel_at_period_end``: true or false."""
        caller = await self._desk.caller(request)
        fields = (await self._desk.read(request, caller, new_id(), forms=False)).fields
        wanted: dict[str, Any] = {name: fields[name] for name in ("plan", "cancel_at_period_end") if name in fields}
        if not wanted:
            raise InvalidRequest("Say plan or cancel_at_period_end.", param="plan")
        if not isinstance(wanted.get("plan", ""), str):
            raise InvalidRequest("plan must be a string.", param="plan")
        if not isinstance(wanted.get("cancel_at_period_end", False), bool):
            raise InvalidRequest("cancel_at_period_end must be true or false.", param="cancel_at_period_end")
        path = f"/internal/accounts/{caller.account_id}/subscription"
        return answer(await self._billing.ask("POST", path, wanted))

    async def portal(self, request: Request) -> Response:
        """A page where card, plan and invoices are looked after."""
        caller = await self._desk.caller(request)
        fields = (await self._desk.read(request, caller, new_id(), forms=False)).fields
        wanted = {"return_url": self._url(fields, "return_url")}
        path = f"/internal/accounts/{caller.account_id}/portal"
        return answer(await self._billing.ask("POST", path, wanted))

    async def keep_card(self, request: Request) -> Response:
        """A page on which a card is kept, for automatic top-ups."""
        caller = await self._desk.caller(request)
        fields = (await self._desk.read(request, caller, new_id(), forms=False)).fields
        wanted = {
            "email": await self._accounts.email(caller.account_id),
            "return_url": self._url(fields, "return_url"),
        }
        return answer(await self._billing.ask("POST", f"/internal/accounts/{caller.account_id}/card", wanted))

    async def auto_topup(self, request: Request) -> Response:
        """How automatic top-ups are set, and why they stopped if they did; null if they never were."""
        caller = await self._desk.caller(request)
        return answer(await self._billing.ask("GET", f"/internal/accounts/{caller.account_id}/topup"))

    async def set_auto_topup(self, request: Request) -> Response:
        """Buy a package whenever the balance falls below a threshold, up to so much a month."""
        caller = await self._desk.caller(request)
        fields = (await self._desk.read(request, caller, new_id(), forms=False)).fields
        wanted = {
            "enabled": _typed(fields, "enabled", bool, "true or false"),
            "package": _typed(fields, "package", str, "the id of a package"),
            "month_cap_cents": _typed(fields, "month_cap_cents", int, "a whole number of cents"),
            "threshold_microusd": _microusd(fields, "threshold_credits"),
        }
        if not 0 < wanted["month_cap_cents"] <= _MOST_CENTS:
            raise InvalidRequest("month_cap_cents must be above 0 and at most 10,000,000.", param="month_cap_cents")
        return answer(await self._billing.ask("PUT", f"/internal/accounts/{caller.account_id}/topup", wanted))

    async def invoices(self, request: Request) -> Response:
        """Invoices and receipts, newest first."""
        caller = await self._desk.caller(request)
        found = await self._billing.ask("GET", f"/internal/accounts/{caller.account_id}/invoices")
        return answer({"object": "list", "data": [{"object": "invoice", **one} for one in found["invoices"]]})

    async def _offers(self, request: Request, kind: str) -> Response:
        await self._desk.caller(request)
        offers = await self._billing.ask("GET", "/internal/offers")
        return answer({"object": "list", "data": [{"object": kind, **one} for one in offers[kind]]})

    def _url(self, fields: dict[str, Any], name: str) -> str:
        url = fields.get(name, self._back_url)
        if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > _MAX_URL_CHARS:
            raise InvalidRequest(f"{name} must be an absolute URL.", param=name)
        return url


def _typed(fields: dict[str, Any], name: str, kind: type, what: str) -> Any:
    value = fields.get(name)
    if type(value) is not kind:  # a boolean is a number to Python, and to nobody else
        raise InvalidRequest(f"{name} must be {what}.", param=name)
    return value


def _microusd(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    try:
        microusd = 0 if isinstance(value, bool) else from_credits(str(value))
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}.", param=name) from None
    if microusd <= 0:
        raise InvalidRequest(f"{name} must be a number of credits above 0.", param=name)
    return microusd


def _one_of(fields: dict[str, Any], *kinds: str) -> tuple[str, str]:
    named = [kind for kind in kinds if fields.get(kind) is not None]
    if len(named) != 1 or not isinstance(fields[named[0]], str):
        raise InvalidRequest("Name one package or one plan by its id.", param="package")
    return named[0], fields[named[0]]


def _order(placed: dict[str, Any]) -> dict[str, Any]:
    fields = dict(placed)
    return {"object": "order", "id": f"order_{UUID(fields.pop('order_id')).hex}", **fields}
