"""A customer can follow every credit."""

import csv
import io
from collections import Counter

import aiohttp

from support.stack import Stack, until


async def test_the_statement_adds_up_to_the_balance_by_the_page_and_as_a_file(stack: Stack) -> None:
    account = stack.account("500.5")
    picture = {"model": "gpt-image-2", "prompt": "accounted for", "quality": "low", "size": "1024x1024"}
    for number in range(3):
        _, task = await stack.native(
            "POST", "/images/generations", account, json={**picture, "prompt": f"no {number}"}
        )
        await stack.native("GET", f"/tasks/{task['id']}?wait=30", account)

    async def settled() -> bool:
        _, have = await stack.native("GET", "/balance", account)
        return bool(have["held_credits"] == 0)

    await until(settled, 10, 0.05)
    found, after, pages = [], "", 0
    while True:
        _, page = await stack.native("GET", f"/ledger?limit=2{after}", account)
        found += page["data"]
        pages += 1
        if not page["has_more"]:
            break
        after = f"&after={page['data'][-1]['id']}"
    assert [one["event"] for one in reversed(found)] == ["credit"] + ["hold", "capture"] * 3
    assert pages >= 4
    pots: Counter[str] = Counter()
    for one in found:
        for entry in one["entries"]:
            pots[entry["pot"]] += round(1_000 * entry["credits"])
    _, have = await stack.native("GET", "/balance", account)
    assert (pots["purchased"], pots["held"]) == (round(1_000 * have["available_credits"]), 0)
    headers = {"Authorization": f"Bearer {account.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(stack["REAPI_NATIVE_URL"] + "/ledger?format=csv") as answer:
            assert answer.content_type == "text/csv"
            rows = list(csv.DictReader(io.StringIO(await answer.text())))
        for wrong in ("format=pdf", "limit=0", "limit=many", "after=-1"):
            async with http.get(f"{stack['REAPI_NATIVE_URL']}/ledger?{wrong}") as answer:
                assert answer.status == 400, wrong
    assert sum(round(1_000 * float(row["credits"])) for row in rows if row["pot"] == "purchased") == pots["purchased"]
    assert {row["task"] for row in rows if row["event"] == "capture"} == {
        one["task_id"] for one in found if one["event"] == "capture"
    }
