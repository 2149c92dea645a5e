"""The price is known before the request is sent, and it is the price that is paid (P5, P7)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import openai
import pytest

from support.stack import Account, Stack

Sdk = Callable[..., openai.AsyncOpenAI]

PICTURE = {"model": "gpt-image-2", "prompt": "a quoted lighthouse", "quality": "low", "size": "1024x1024"}
FILM = {"model": "seedance-2.0", "prompt": "quoted waves", "duration": 4}


async def quote(stack: Stack, account: Account, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = await stack.native("POST", "/quote", account, json=body)
    assert status == 200, answer
    return dict(answer)


def operator(stack: Stack, *arguments: str) -> str:
    """One of billing's commands, as an operator of this stack runs it."""
    env = {"PATH": os.environ["PATH"], "BILLING_DATABASE_URL": stack["BILLING_DATABASE_URL"]}
    done = subprocess.run(
        [sys.executable, "-m", "billing", *arguments], env=env, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


async def available(stack: Stack, account: Account) -> float:
    _, body = await stack.native("GET", "/balance", account)
    return float(body["available_credits"])


@pytest.mark.parametrize(("path", "body"), [("/images/generations", PICTURE), ("/videos/generations", FILM)])
async def test_the_quote_is_what_is_charged_and_changes_nothing(
    stack: Stack, path: str, body: dict[str, Any]
) -> None:
    account = stack.account(50_000)
    quoted = await quote(stack, account, body)
    assert await available(stack, account) == 50_000
    status, task = await stack.native(
        "POST", path, account, json={**body, "quote_id": quoted["quote_id"], "max_credits": quoted["credits"]}
    )
    assert status in {200, 202}, task
    _, task = await stack.native("GET", f"/tasks/{task['id']}?wait=30", account)
    assert (task["status"], task["credits"]["charged"]) == ("completed", quoted["credits"])
    assert await available(stack, account) == 50_000 - quoted["credits"]


async def test_every_price_a_customer_sees_is_the_same(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    client = sdk(account)
    listed = {
        one["sku"]: one["credits"] for one in (await client.models.retrieve("gpt-image-2")).model_dump()["prices"]
    }
    quoted = await quote(stack, account, PICTURE)
    answer = await client.images.generate(**PICTURE)
    assert answer.model_dump()["credits"]["charged"] == quoted["credits"]
    assert quoted["credits"] in listed.values()


async def test_nothing_above_the_maximum_is_begun(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    quoted = await quote(stack, account, PICTURE)
    below = quoted["credits"] - 0.001
    status, refused = await stack.native(
        "POST", "/images/generations", account, json={**PICTURE, "max_credits": below}
    )
    if status == 202 or "error" not in refused or refused["error"] is None:  # decided a moment later
        _, refused = await stack.native("GET", f"/tasks/{refused['id']}?wait=10", account)
    assert refused["error"]["code"] == "price_changed"
    with pytest.raises(openai.ConflictError) as conflict:
        await sdk(account).images.generate(**PICTURE, extra_body={"max_credits": below})
    assert conflict.value.code == "price_changed"
    assert conflict.value.response.headers["x-should-retry"] == "false"
    assert await available(stack, account) == 1_000


async def test_a_quote_is_paid_across_a_price_edge(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    body = {**PICTURE, "quality": "high", "size": "1024x1536"}  # a price that no other test looks at
    quoted = await quote(stack, account, body)
    prices = (await sdk(account).models.retrieve("gpt-image-2")).model_dump()["prices"]
    (sku,) = [one["sku"] for one in prices if one["credits"] == quoted["credits"] and "high" in one["sku"]][:1]
    cheaper = quoted["credits"] - 1
    operator(stack, "prices", "schedule", "--price", f"{sku}={cheaper}", "--reason", "cheaper upstream")
    now = await quote(stack, account, body)
    assert now["credits"] == cheaper
    client = sdk(account)
    promised = await client.images.generate(**body, extra_body={"quote_id": quoted["quote_id"]})
    assert promised.model_dump()["credits"]["charged"] == quoted["credits"]
    plain = await client.images.generate(**{**body, "prompt": "another"})
    assert plain.model_dump()["credits"]["charged"] == cheaper


async def test_an_announced_raise_is_shown_and_not_paid(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    client = sdk(account)
    before = (await client.models.retrieve("gpt-image-2")).model_dump()["prices"]
    # the tests share one stack and come in any order: this price too is one that no other test looks at
    (listed,) = [one for one in before if one["sku"] == "gpt-image-2:8mp:medium:edit_many"]
    dearer = listed["credits"] + 5
    change = json.loads(
        operator(
            stack,
            *("prices", "schedule", "--price", f"{listed['sku']}={dearer}", "--reason", "dearer", "--in-days", "14"),
        )
    )
    old = stack.query(
        "select unit_price_microusd from billing.price_of(%(sku)s, %(account)s, now() - interval '1 day',"
        " now() + interval '100 years')",
        sku=listed["sku"],
        account=account.account_id,
    )
    assert old == [{"unit_price_microusd": round(1_000 * listed["credits"])}], "nobody told this account"
    newcomer = stack.account(1_000)
    shown = (await sdk(newcomer).models.retrieve("gpt-image-2")).model_dump()["prices"]
    assert next(one["credits"] for one in shown if one["sku"] == listed["sku"]) == dearer
    assert change["effective_at"] > change["announced_at"]
    (waiting,) = stack.query(
        "select count(*) as n from billing.price_changes where change_id = %(id)s", id=change["change_id"]
    )
    assert waiting["n"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_credits", 0), ("max_credits", -1), ("max_credits", "many"), ("max_credits", True), ("quote_id", 7)],
)
async def test_terms_that_make_no_sense_are_refused_by_name(stack: Stack, field: str, value: object) -> None:
    status, refused = await stack.native(
        "POST", "/images/generations", stack.account(10), json={**PICTURE, field: value}
    )
    assert (status, refused["error"]["param"]) == (400, field)


async def test_a_quote_that_was_never_given_is_refused(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk(account).images.generate(**PICTURE, extra_body={"quote_id": "quote_made-up"})
    assert refused.value.code == "invalid_quote"
    assert await available(stack, account) == 1_000


async def test_a_mistake_in_the_body_is_told_by_the_quote_as_by_the_generation(stack: Stack) -> None:
    account = stack.account(10)
    wrong = {**PICTURE, "size": "17x17"}
    quoted = await stack.native("POST", "/quote", account, json=wrong)
    generated = await stack.native("POST", "/images/generations", account, json=wrong)
    assert (quoted[0], quoted[1]["error"]) == (generated[0], generated[1]["error"])
    assert quoted[0] == 400
