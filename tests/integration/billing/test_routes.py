"""The internal API answers whoever has the token, and nobody else."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from billing.routes import authorized_by, internal_api
from common.clock import now
from common.ids import new_id
from support.ledger import PRICE, QUOTES, SKU, Ledger, a_job, stored

TOKEN = "the-services-token"


@pytest.fixture
async def api(ledger: Ledger) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(
        internal_api(ledger.accounts, ledger.prices, ledger.price_changes, QUOTES, authorized_by(TOKEN))
    )
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://billing",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        yield client


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", TOKEN, "Basic " + TOKEN])
@pytest.mark.parametrize("path", ["prices", "accounts/018f0000-0000-7000-8000-000000000000/balance"])
async def test_nobody_without_the_token_is_answered(api: httpx2.AsyncClient, path: str, token: str) -> None:
    answer = await api.get(f"/internal/{path}", headers={"Authorization": token})
    assert answer.status_code == 401


async def test_the_balance_is_that_of_the_ledger(api: httpx2.AsyncClient, ledger: Ledger) -> None:
    account = await ledger.account(subscription=5, granted=6, microusd=2 * PRICE)
    await ledger.hold(a_job(account))
    answer = await api.get(f"/internal/accounts/{account}/balance")
    assert answer.json() == {
        "account_id": str(account),
        "available_microusd": PRICE + 11,
        "held_microusd": PRICE,
        "subscription_microusd": 0,
        "granted_microusd": 0,
        "purchased_microusd": PRICE + 11,
    }


async def test_an_unknown_account_has_nothing(api: httpx2.AsyncClient) -> None:
    answer = await api.get(f"/internal/accounts/{new_id()}/balance")
    assert answer.json()["available_microusd"] == 0


async def test_a_quote_is_what_a_hold_takes(api: httpx2.AsyncClient, ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    who = {"account_id": str(account), "account_opened_at": now().isoformat()}
    quote = (await api.post("/internal/quote", json={"sku": SKU, "quantity": 3, **who})).json()
    held = await ledger.hold(a_job(account, quantity=3))
    assert (quote["amount_microusd"], quote["price_version"]) == (held.price_microusd, held.price_version)
    assert (await api.post("/internal/quote", json={"sku": "unheard-of", "quantity": 1, **who})).status_code == 404
    assert (await api.post("/internal/quote", json={"sku": SKU, "quantity": 0, **who})).status_code == 422


async def test_prices_are_listed(api: httpx2.AsyncClient) -> None:
    (price,) = (await api.get("/internal/prices")).json()["prices"]
    assert (price["sku"], price["unit_price_microusd"]) == (SKU, PRICE)


async def test_a_statement_is_paged_without_gap_or_repeat(api: httpx2.AsyncClient, ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    for _ in range(3):
        job = a_job(account)
        await ledger.hold(job)
        await ledger.settle.stored(stored(job, 1))
    seen, before = [], None
    for _ in range(10):
        page = (
            await api.get(
                f"/internal/accounts/{account}/entries",
                params={"limit": 2, **({"before": before} if before else {})},
            )
        ).json()
        seen += page["entries"]
        before = page["next_before"]
        if before is None:
            break
    assert [entry["event"] for entry in seen if entry["purpose"] == "held"] == ["capture", "hold"] * 3
    assert sum(entry["amount_microusd"] for entry in seen) == 7 * PRICE
    assert len({(entry["transaction_id"], entry["purpose"]) for entry in seen}) == len(seen)
