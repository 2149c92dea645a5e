"""P3 with more than one dispatcher: what one of them learns of a route, the others heed."""

import asyncio
import time

import aiohttp

from support.jobs import image, together
from support.sizes import size
from support.stack import Stack, until

JOBS = size(test=40, prove=400)


async def test_an_empty_account_that_one_dispatcher_meets_is_left_alone_by_all_within_a_second(stack: Stack) -> None:
    await stack.dial("openai", scenario="quota")
    account = stack.account(10_000_000)
    async with stack.replica("DISPATCHER"):
        told = await together([image(stack, account, "the one that finds out")], 1)
        assert [one.code for one in told if not one.ok] == []
        assert len(await submits(stack, "openai")) == 1
        await asyncio.sleep(1)
        told = await together([image(stack, account, f"knows already {n}") for n in range(JOBS)], 8)
        assert [one.code for one in told if not one.ok] == []
        assert len(await submits(stack, "openai")) == 1, "the other dispatcher had to find out for itself"
        owners = stack.query(
            "select owner_id, count(*) from dispatcher.jobs where account_id = %(id)s::uuid group by owner_id",
            id=account.account_id,
        )
        print(f"\n    {JOBS} jobs on two dispatchers ({sorted(row['count'] for row in owners)}), none called openai")
        assert len(owners) == 2


async def test_two_dispatchers_send_a_failing_route_no_more_than_their_probes(stack: Stack) -> None:
    await stack.dial("openai", scenario="500")
    account = stack.account(10_000_000)
    async with stack.replica("DISPATCHER") as replica:
        told = await together([image(stack, account, f"finding out {n}") for n in range(20)], 4)
        assert [one.code for one in told if not one.ok] == []
        opened_s = time.monotonic()
        for url in (replica, stack.service_url("DISPATCHER")):
            await until(lambda url=url: _is_open(stack, url), 20)
        known = len(await submits(stack, "openai"))
        told = await together([image(stack, account, f"passing by {n}") for n in range(JOBS)], 8)
        assert [one.code for one in told if not one.ok] == []
        probes, span_s = len(await submits(stack, "openai")) - known, time.monotonic() - opened_s
        print(f"\n    {probes} probes of two dispatchers in {span_s:.1f} s with a cool-down of 2 s")
        assert probes <= 2 * (span_s / 2 + 1)


async def submits(stack: Stack, simulator: str) -> list[dict]:
    """Calls that begin work."""
    return await stack.calls(simulator, "submit")


async def _is_open(stack: Stack, url: str) -> bool:
    """Whether a dispatcher says that its breaker for gpt-image-2 at OpenAI is not closed."""
    lines = (await stack.metrics(url)).splitlines()
    return any('provider="openai"' in line and float(line.rsplit(" ", 1)[1]) > 0 for line in lines if _STATE in line)


_STATE = "breaker_state{"


async def test_the_status_page_tells_of_a_route_that_rests(stack: Stack) -> None:
    async def standing(model: str) -> dict:
        _, body = await stack.native("GET", "/status")
        return next(one for one in body["data"] if one["model"] == model)

    async def is_operational() -> bool:
        now = await standing("gpt-image-2")
        return (now["status"], now["routes_well"]) == ("operational", now["routes"])

    await until(is_operational, 60)  # the words of a killed dispatcher are forgotten after a while
    # An empty account is left alone for five minutes: long enough to be seen on the slowest machine.
    await stack.dial("openai", scenario="quota")
    told = await together([image(stack, stack.account(10_000), "an empty account")], 1)
    assert [one.code for one in told if not one.ok] == []

    async def is_degraded() -> bool:
        now = await standing("gpt-image-2")
        return (now["status"], now["routes_well"]) == ("degraded", now["routes"] - 1)

    await until(is_degraded, 30)
    assert (await standing("seedance-2.0"))["status"] == "operational"
    async with aiohttp.ClientSession(stack.service_url("GATEWAY")) as http, http.get("/status") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "Degraded" in page and "openai" not in page.lower().replace("openai-compatible", "")
