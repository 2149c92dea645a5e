"""A customer buys credits through the API and on Stripe's pages; nothing but the stock parts in between."""

import time
from typing import Any

import aiohttp
import pytest

from support.stack import Account, Stack, until

CARD = {"email": "ada@example.org", "expiry": "12/34", "cvc": "123", "name": "Ada"}


async def order(stack: Stack, account: Account, **body: Any) -> dict[str, Any]:
    status, placed = await stack.native("POST", "/orders", account, json=body)
    assert status == 201, placed
    return dict(placed)


async def pay(url: str, number: str = "4242424242424242") -> tuple[int, str]:
    """Fill in the page, and confirm at the bank if it asks; the last status and where it leads."""
    async with aiohttp.ClientSession() as browser:
        async with browser.post(url, data={**CARD, "number": number}, allow_redirects=False) as answer:
            status, where = answer.status, answer.headers.get("location", "")
        if "/3ds/" in where:
            async with browser.post(where, data={"answer": "complete"}, allow_redirects=False) as bank:
                return bank.status, bank.headers.get("location", "")
        return status, where


async def balance(stack: Stack, account: Account) -> float:
    _, body = await stack.native("GET", "/balance", account)
    return float(body["available_credits"])


@pytest.mark.parametrize("number", ["4242424242424242", "4000002760003184"])
async def test_a_package_is_ordered_paid_and_there_within_two_seconds(stack: Stack, number: str) -> None:
    account = stack.account(0)
    _, packages = await stack.native("GET", "/packages", account)
    package = packages["data"][1]
    placed = await order(stack, account, package=package["id"], success_url="http://shop.example/thanks")
    assert (placed["state"], placed["amount_cents"], placed["credits"]) == ("open", 5_000, 50_000)
    assert (await pay(placed["url"], "4000000000000002"))[0] == 402
    assert await balance(stack, account) == 0
    assert await pay(placed["url"], number) == (303, "http://shop.example/thanks")
    paid_at = time.monotonic()

    async def there() -> bool:
        return await balance(stack, account) == 50_000

    await until(there, 10, 0.05)
    assert time.monotonic() - paid_at < 2
    _, now = await stack.native("GET", f"/orders/{placed['id']}", account)
    assert (now["state"], now["url"]) == ("paid", None)
    _, bills = await stack.native("GET", "/invoices", account)
    (bill,) = bills["data"]
    assert (bill["status"], bill["paid_cents"]) == ("paid", 5_000)
    async with aiohttp.ClientSession() as browser, browser.get(bill["pdf_url"]) as pdf:
        assert (await pdf.read()).startswith(b"%PDF-")
    rows = stack.query(
        "select purpose, sum(amount_microusd)::bigint as n from billing.audit_entries"
        " where account_id = %(account)s group by purpose",
        account=account.account_id,
    )
    assert rows == [{"purpose": "purchased", "n": 50_000_000}]


async def test_a_plan_is_subscribed_upgraded_and_cancelled(stack: Stack) -> None:
    account = stack.account(0)
    placed = await order(stack, account, plan="starter")
    assert (await pay(placed["url"]))[0] == 303

    async def credited() -> bool:
        return await balance(stack, account) == 20_000

    await until(credited, 10, 0.05)
    status, refused = await stack.native("POST", "/orders", account, json={"plan": "studio"})
    assert (status, refused["error"]["code"]) == (409, "already_subscribed")
    status, changed = await stack.native("POST", "/subscription", account, json={"plan": "studio"})
    assert (status, changed["subscription"]["plan"]) == (200, "studio")
    assert 99_000 < await balance(stack, account) <= 100_000
    _, ending = await stack.native("POST", "/subscription", account, json={"cancel_at_period_end": True})
    assert ending["subscription"]["cancel_at_period_end"]
    _, portal = await stack.native("POST", "/portal", account, json={"return_url": "http://shop.example/"})
    async with aiohttp.ClientSession() as browser:
        async with browser.get(portal["url"]) as page:
            assert "ends on" in await page.text()
        async with browser.post(portal["url"], data={"action": "resume"}) as page:
            assert "renews on" in await page.text()

    async def goes_on() -> bool:
        _, now = await stack.native("GET", "/subscription", account)
        return not now["subscription"]["cancel_at_period_end"]

    await until(goes_on, 10, 0.05)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_value"),
        ({"package": "credits-10", "plan": "starter"}, 400, "invalid_value"),
        ({"package": 7}, 400, "invalid_value"),
        ({"package": "credits-7"}, 409, "unknown_offer"),
        ({"package": "credits-10", "success_url": "javascript:alert(1)"}, 400, "invalid_value"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(
    stack: Stack, body: dict[str, Any], status: int, code: str
) -> None:
    answered, refused = await stack.native("POST", "/orders", stack.account(0), json=body)
    assert (answered, refused["error"]["code"]) == (status, code)


async def test_strangers_see_nothing_of_an_order(stack: Stack) -> None:
    placed = await order(stack, stack.account(0), package="credits-10")
    status, refused = await stack.native("GET", f"/orders/{placed['id']}", stack.account(0))
    assert (status, refused["error"]["code"]) == (404, "not_found")
    status, _ = await stack.native("POST", "/portal", stack.account(0), json={})
    assert status == 409


async def test_a_repeated_order_is_one_order(stack: Stack) -> None:
    account = stack.account(0)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {account.api_key}", "Idempotency-Key": "my order"}
    ) as http:
        ids = set()
        for _ in range(3):
            async with http.post(stack["REAPI_NATIVE_URL"] + "/orders", json={"package": "credits-10"}) as answer:
                ids.add((await answer.json())["id"])
    assert len(ids) == 1
    status, nothing = await stack.native("GET", "/subscription", account)
    assert (status, nothing) == (200, {"subscription": None})


async def test_a_forged_webhook_is_refused(stack: Stack) -> None:
    async with aiohttp.ClientSession() as http:
        for headers in ({}, {"stripe-signature": "t=1,v1=00"}):
            async with http.post(stack["REAPI_STRIPE_WEBHOOK_URL"], data=b"{}", headers=headers) as answer:
                assert answer.status == 400


async def test_credits_are_topped_up_by_the_card_on_file(stack: Stack) -> None:
    account = stack.account("0.001")
    wanted = {"enabled": True, "threshold_credits": 500, "package": "credits-10", "month_cap_cents": 1_500}
    status, refused = await stack.native("PUT", "/auto_topup", account, json=wanted)
    assert (status, refused["error"]["code"]) == (409, "no_card")
    for field, value in (("enabled", 1), ("threshold_credits", -1), ("month_cap_cents", "many"), ("package", None)):
        status, refused = await stack.native("PUT", "/auto_topup", account, json={**wanted, field: value})
        assert (status, refused["error"]["param"]) == (400, field)
    _, page = await stack.native("POST", "/cards", account, json={"return_url": "http://shop.example/"})
    assert (await pay(page["url"]))[0] == 303
    status, allowed = await stack.native("PUT", "/auto_topup", account, json=wanted)
    assert (status, allowed["auto_topup"]["state"]) == (200, "on")

    async def topped_up() -> bool:
        return await balance(stack, account) == 10_000.001

    await until(topped_up, 20, 0.1)
    _, shown = await stack.native("GET", "/auto_topup", account)
    assert shown["auto_topup"]["month_spent_cents"] == 1_000
