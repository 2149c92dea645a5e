"""Billing's internal HTTP API: questions that other services ask. Never reachable from outside."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, HTTPException, Query
from pydantic import AwareDatetime, BaseModel, Field

from billing.domain.postings import HOUSE
from billing.domain.pricing import BadChange, PriceChange
from billing.domain.quotes import LIFE, Quote, Quotes
from billing.domain.reservation import MAX_QUANTITY
from billing.domain.traits import Person
from billing.invariants import EVER
from billing.repository.accounts import Accounts
from billing.repository.price_changes import Notice, PriceChanges
from billing.repository.prices import Prices
from billing.repository.starting import StartingCredits
from common.clock import now

MAX_PAGE = 200
NEWEST = 2**63 - 1


class QuoteRequest(BaseModel):
    """What shall be priced; ``quantity`` counts billed units over all outputs."""

    sku: Annotated[str, Field(min_length=1, max_length=200)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
    account_id: UUID
    account_opened_at: AwareDatetime


class Change(BaseModel):
    """New prices; ``change_id`` is the caller's, so that a repeated call announces nothing twice."""

    change_id: UUID
    unit_prices_microusd: dict[str, int]
    reason: str
    effective_at: AwareDatetime | None = None


class SignUp(BaseModel):
    """What is known of somebody who signs up; kept as keyed hashes only."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    ip: Annotated[str, Field(max_length=45)] | None = None
    card_fingerprint: Annotated[str, Field(max_length=100)] | None = None


class MailNews(BaseModel):
    """What a mail server said about the notice to one account."""

    account_id: UUID
    event: Literal["accepted", "bounced"]
    happened_at: AwareDatetime


class MailNewses(BaseModel):
    """Any number of them, in any order, repeated or not."""

    notices: Annotated[list[MailNews], Field(min_length=1, max_length=1_000)]


def authorized_by(token: str) -> Callable[..., Awaitable[None]]:
    """A dependency that lets in whoever carries the services' token."""

    async def authorized(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "the services' bearer token is missing or wrong")

    return authorized


def sign_up_api(starting: StartingCredits, secret: str, authorized: Callable[..., Awaitable[None]]) -> APIRouter:
    """What a sign-up asks for."""
    router = APIRouter(prefix="/internal", dependencies=[Depends(authorized)])

    @router.post("/accounts/{account_id}/starting-credits")
    async def grant(account_id: UUID, person: SignUp) -> dict[str, str]:
        """Free credits for a new account: ``outcome`` says whether it got them, and if not why."""
        try:
            traits = Person(person.email, person.ip, person.card_fingerprint).hashed(secret)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"outcome": await starting.grant(account_id, traits)}

    return router


def internal_api(
    accounts: Accounts,
    prices: Prices,
    changes: PriceChanges,
    quotes: Quotes,
    authorized: Callable[..., Awaitable[None]],
) -> APIRouter:
    """The routes, open to whoever is ``authorized``."""
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
    async def price_list(
        account_id: UUID | None = None, account_opened_at: AwareDatetime | None = None
    ) -> dict[str, Any]:
        """The price of one unit of every SKU, for an account or for whoever signs up now, and what is announced."""
        return {
            "prices": [dict(row) for row in await prices.paid_by(account_id, account_opened_at)],
            "upcoming": [dict(row) for row in await prices.upcoming()],
        }

    @router.post("/quote")
    async def quote(request: QuoteRequest) -> dict[str, Any]:
        """What a hold would take now, promised for ten minutes; 404 ``price_unavailable`` for an unknown SKU."""
        price = await prices.of(request.sku, request.account_id, request.account_opened_at)
        if price is None:
            raise HTTPException(404, "price_unavailable")
        promised = Quote(
            account_id=request.account_id,
            sku=request.sku,
            quantity=request.quantity,
            price_version=price["price_version"],
            amount_microusd=price["unit_price_microusd"] * request.quantity,
            valid_until=now().replace(microsecond=0) + LIFE,
        )
        return {
            "amount_microusd": promised.amount_microusd,
            "price_version": promised.price_version,
            "quote_id": quotes.sign(promised),
            "valid_until": promised.valid_until,
        }

    @router.post("/price-changes")
    async def schedule(change: Change) -> dict[str, Any]:
        """Announce new prices; 409 with a sentence when that is not possible (the earliest date is in it)."""
        try:
            ordered = PriceChange(change.change_id, change.unit_prices_microusd, change.reason, change.effective_at)
            return dict(await changes.schedule(ordered))
        except BadChange as error:
            raise HTTPException(409, str(error)) from None

    @router.get("/price-changes")
    async def announced(since: AwareDatetime = EVER) -> dict[str, Any]:
        """Changes announced since then, oldest first: what customers must be told."""
        return {"price_changes": [dict(row) for row in await changes.announced(since)]}

    @router.post("/price-changes/{change_id}/notices", status_code=204)
    async def mail_news(change_id: UUID, news: MailNewses) -> None:
        """When mail servers took the notices, or sent them back."""
        notices = [Notice(one.account_id, one.event, one.happened_at) for one in news.notices]
        if not await changes.record(change_id, notices):
            raise HTTPException(404, "there is no such price change")

    @router.get("/price-changes/{change_id}/old-price")
    async def on_old_price(
        change_id: UUID, after: UUID = HOUSE, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE
    ) -> dict[str, Any]:
        """Accounts that do not pay its prices yet, and why; ``after`` is the last id of the page before."""
        return {"accounts": [dict(row) for row in await changes.on_old_price(change_id, after=after, limit=limit)]}

    return router
