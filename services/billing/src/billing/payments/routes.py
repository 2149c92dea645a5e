"""HTTP of payments: Stripe's webhooks from outside, the gateway's questions from inside."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from billing.payments.inbox import NotGenuine
from billing.payments.offers import Offers
from billing.payments.parts import Payments
from billing.payments.selling import CannotSell
from billing.payments.stripe_client import StripeAway, StripeRefused
from billing.repository.payments import Order
from common.credits import to_credits

_EVENT_BYTES = 1 << 20
Url = Annotated[str, Field(min_length=8, max_length=2_000, pattern=r"^https?://")]


class OrderRequest(BaseModel):
    """An order; ``order_id`` is the caller's, so that a repeated call places one order."""

    order_id: UUID
    account_id: UUID
    email: Annotated[str, Field(min_length=3, max_length=254)]
    kind: Literal["package", "plan"]
    offer: Annotated[str, Field(max_length=100)]
    success_url: Url
    cancel_url: Url


class PlanRequest(BaseModel):
    """Another plan, or an end with the period, or none after all."""

    plan: str | None = None
    cancel_at_period_end: bool | None = None


class TopUpRequest(BaseModel):
    """When the balance falls below the threshold, buy this package, up to so much a month."""

    enabled: bool
    threshold_microusd: Annotated[int, Field(gt=0, le=10**12)]
    package: Annotated[str, Field(max_length=100)]
    month_cap_cents: Annotated[int, Field(gt=0, le=10_000_000)]


class CardRequest(BaseModel):
    """Whose card is to be kept, and where the page leads back to."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    return_url: Url


class PortalRequest(BaseModel):
    """Where the portal's page leads back to."""

    return_url: Url


def webhook_api(payments: Payments) -> APIRouter:
    """The only route of billing that is reached from outside: ``POST /stripe/webhook``."""
    router = APIRouter()

    @router.post("/stripe/webhook")
    async def webhook(request: Request) -> Response:
        """200 once the event is kept; 400 for what Stripe did not sign for us."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _EVENT_BYTES:
                return JSONResponse({"detail": "too large"}, 413)
        try:
            await payments.inbox.take(body, request.headers.get("stripe-signature", ""))
        except NotGenuine as forged:
            return JSONResponse({"detail": str(forged)}, 400)
        return JSONResponse({"received": True})

    return router


def offers_api(offers: Offers, authorized: Any) -> APIRouter:
    """What can be bought; also where nothing can be paid."""
    router = APIRouter(prefix="/internal", dependencies=[Depends(authorized)])

    @router.get("/offers")
    async def list_offers() -> dict[str, Any]:
        """Packages and plans."""
        return {
            kind: [
                {
                    "id": one.id,
                    "title": one.title,
                    "amount_cents": one.amount_cents,
                    "currency": "usd",
                    "credits": to_credits(one.credits_microusd),
                }
                for one in offers.of(kind)
            ]
            for kind in ("package", "plan")
        }

    return router


def payments_api(payments: Payments | None, authorized: Any) -> APIRouter:
    """Orders, subscriptions, portal, invoices; 503 ``payments_unavailable`` where Stripe is not configured."""

    async def configured() -> Payments:
        if payments is None:
            raise HTTPException(503, {"code": "payments_unavailable", "message": "Payments are not set up here."})
        return payments

    Configured = Annotated[Payments, Depends(configured)]  # noqa: N806 - a type
    router = APIRouter(prefix="/internal", dependencies=[Depends(authorized)])

    @router.post("/orders")
    async def order(request: OrderRequest, parts: Configured) -> dict[str, Any]:
        """Place an order, or find it again; ``url`` is the page to pay it on."""
        placed, url = await _told(
            parts.selling.order(
                order_id=request.order_id,
                account_id=request.account_id,
                email=request.email,
                kind=request.kind,
                offer_id=request.offer,
                success_url=request.success_url,
                cancel_url=request.cancel_url,
            )
        )
        return _shown(placed) | {"url": url}

    @router.get("/accounts/{account_id}/orders/{order_id}")
    async def read_order(account_id: UUID, order_id: UUID, parts: Configured) -> dict[str, Any]:
        """One order of this account."""
        found = await parts.orders.find(order_id)
        if found is None or found.account_id != account_id:
            raise HTTPException(404, {"code": "not_found", "message": "There is no such order."})
        return _shown(found) | {"url": None}

    @router.get("/accounts/{account_id}/subscription")
    async def subscription(account_id: UUID, parts: Configured) -> dict[str, Any]:
        """The account's subscription."""
        return {"subscription": _subscription(await parts.selling.subscription(account_id))}

    @router.post("/accounts/{account_id}/subscription")
    async def change(account_id: UUID, request: PlanRequest, parts: Configured) -> dict[str, Any]:
        """Change its plan, or whether it ends."""
        if request.plan is not None:
            await _told(parts.selling.change_plan(account_id, request.plan))
        if request.cancel_at_period_end is not None:
            await _told(parts.selling.end(account_id, ends=request.cancel_at_period_end))
        return {"subscription": _subscription(await parts.selling.subscription(account_id))}

    @router.post("/accounts/{account_id}/portal")
    async def portal(account_id: UUID, request: PortalRequest, parts: Configured) -> dict[str, Any]:
        """A page where the customer looks after card, plan and invoices."""
        return {"url": await _told(parts.selling.portal(account_id, request.return_url))}

    @router.post("/accounts/{account_id}/card")
    async def card(account_id: UUID, request: CardRequest, parts: Configured) -> dict[str, Any]:
        """A page on which a card is kept for later."""
        return {"url": await _told(parts.selling.keep_card(account_id, request.email, request.return_url))}

    @router.get("/accounts/{account_id}/topup")
    async def read_topup(account_id: UUID, parts: Configured) -> dict[str, Any]:
        """How automatic top-ups are set and fare."""
        return {"auto_topup": _topup(await parts.topping_up.read(account_id))}

    @router.put("/accounts/{account_id}/topup")
    async def set_topup(account_id: UUID, request: TopUpRequest, parts: Configured) -> dict[str, Any]:
        """Set them."""
        allowed = parts.topping_up.allow(
            account_id,
            request.threshold_microusd,
            request.package,
            request.month_cap_cents,
            on=request.enabled,
        )
        return {"auto_topup": _topup(await _told(allowed))}

    @router.get("/accounts/{account_id}/invoices")
    async def invoices(account_id: UUID, parts: Configured) -> dict[str, Any]:
        """Invoices and receipts, newest first."""
        return {"invoices": await _told(parts.selling.invoices(account_id))}

    return router


async def _told(work: Any) -> Any:
    """The answer, or the refusal in words of ours."""
    try:
        return await work
    except CannotSell as refused:
        raise HTTPException(409, {"code": refused.code, "message": str(refused)}) from None
    except StripeRefused as refused:
        if refused.card:
            raise HTTPException(402, {"code": refused.code or "card_declined", "message": str(refused)}) from None
        raise HTTPException(502, {"code": "payment_failed", "message": "The payment provider refused."}) from None
    except StripeAway:
        detail = {"code": "payments_away", "message": "The payment provider does not answer; try again shortly."}
        raise HTTPException(503, detail, {"retry-after": "2"}) from None


def _shown(order: Order) -> dict[str, Any]:
    return {
        "order_id": str(order.order_id),
        "kind": order.kind,
        "offer": order.offer,
        "amount_cents": order.amount_cents,
        "currency": order.currency,
        "credits": to_credits(order.credits_microusd),
        "state": order.state,
        "created": int(order.created_at.timestamp()),
    }


def _topup(row: Any) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "state": row["state"],
        "threshold_credits": to_credits(row["threshold_microusd"]),
        "package": row["package"],
        "month_cap_cents": row["month_cap_cents"],
        "month_spent_cents": row["month_spent_cents"],
        "problem": row["problem"],
    }


def _subscription(row: Any) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "plan": row["plan"],
        "status": row["status"],
        "period_end": int(row["period_end"].timestamp()),
        "cancel_at_period_end": row["cancel_at_period_end"],
    }
