"""Money for fifty is fifty, however many ask at once."""

from collections import Counter

from support.jobs import image, together
from support.stack import Stack


async def test_two_hundred_at_once_with_money_for_fifty(stack: Stack) -> None:
    account = stack.account(6.9 * 50)  # 1024x1024, low: 6.9 credits
    told = await together([image(stack, account, f"race {n}", max_retries=2) for n in range(200)], at_once=200)
    outcomes = Counter("ok" if one.ok else f"{one.status} {one.code}" for one in told)
    assert outcomes == {"ok": 50, "429 insufficient_quota": 150}
    assert len(await stack.calls("openai", "submit")) == 50
    assert await stack.calls("fal", "submit") == []
    _, balance = await stack.native("GET", "/balance", account)
    assert balance["available_credits"] == 0
    assert balance["held_credits"] == 0


async def test_without_credit_the_native_family_says_402_and_the_sdk_does_not_retry(stack: Stack) -> None:
    account = stack.account(1)
    status, body = await stack.native(
        "POST", "/images/generations", account, json={"model": "gpt-image-2", "prompt": "poor"}
    )
    if status == 200:  # accepted before the decision was known: then it ends failed, at no cost
        _, body = await stack.native("GET", f"/tasks/{body['id']}?wait=10", account)
        assert body["error"]["code"] == "insufficient_quota"
    else:
        assert status == 402, body
    told = await image(stack, account, "poor too")
    assert (told.status, told.code) == (429, "insufficient_quota")
    assert told.seconds < 5, "the SDK retried"
    assert await stack.calls("openai", "submit") == []
