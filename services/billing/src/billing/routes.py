"""Billing's internal HTTP API: questions that other services ask. Never reachable from outside."""

import hmac
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, HTTPException, Query
from pydantic import BaseModel, Field

from billing.domain.reservation import MAX_QUANTITY
from billing.repository.accounts import Accounts
from billing.repository.prices import Prices

MAX_PAGE = 200
NEWEST = 2**63 - 1


class Quote(BaseModel):
    """What shall be priced; ``quantity`` counts billed units over all outputs."""

    sku: Annotated[str, Field(min_length=1, max_length=200)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]


def internal_api(accounts: Accounts, prices: Prices, token: str) -> APIRouter:
    """The routes, open to whoever carries the services' token."""

    async def authorized(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "the services' bearer token is missing or wrong")

    router = APIRouter(prefix="/internal", dependencies=[Depends(authorized)])

    @router.get("/accounts/{account_id}/balance")
    async def balance(account_id: UUID) -> dict[str, Any]:
        """What the account has; an account that billing never heard of has nothing."""
        have = await accounts.balance(account_id)
        return {
            "account_id": str(account_id),
            "available_microusd": have.available_microusd,
            "held_microusd": have.held_microusd,
            "subscription_microusd": have.subscription_microusd,
            "granted_microusd": have.granted_microusd,
            "purchased_microusd": have.purchased_microusd,
        }

    @router.get("/accounts/{account_id}/entries")
    async def entries(
        account_id: UUID,
        before: Annotated[int, Query(ge=1, le=NEWEST)] = NEWEST,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> dict[str, Any]:
        """Entries of the newest ``limit`` transactions below ``before``; ``next_before`` asks for the next page."""
        rows = await accounts.statement(account_id, before=before, limit=limit)
        transactions = {row["transaction_id"] for row in rows}
        return {
            "account_id": str(account_id),
            "entries": [dict(row) for row in rows],
            "next_before": min(transactions) if len(transactions) == limit else None,
        }

    @router.get("/prices")
    async def price_list() -> dict[str, Any]:
        """The price of one unit of every SKU, as it is now."""
        return {"prices": [dict(row) for row in await prices.in_force()]}

    @router.post("/quote")
    async def quote(request: Quote) -> dict[str, Any]:
        """What a hold would take now; 404 ``price_unavailable`` for an unknown SKU."""
        price = await prices.of(request.sku)
        if price is None:
            raise HTTPException(404, "price_unavailable")
        return {
            "sku": request.sku,
            "quantity": request.quantity,
            "amount_microusd": price["unit_price_microusd"] * request.quantity,
            "price_version": price["price_version"],
        }

    return router
