"""P3: a failing upstream costs the customer less than a second, and is called once."""

import asyncio

import pytest

from support.jobs import Told, by_prompt, image, quantile, together, video
from support.sizes import size
from support.stack import Account, Stack

JOBS = size(test=40, prove=200)
MAKE = {"openai": image, "ark": video}
PRIMARIES = ("openai", "ark")
RUNS: dict[str, int] = {}
"""How many jobs an account has sent to a primary, so that every prompt is its own."""


async def run(stack: Stack, primary: str, account: Account, count: int, at_once: int = 16) -> list[Told]:
    make = MAKE[primary]
    return await together(
        [make(stack, account, f"{primary} job {n} of {id(account)}") for n in range(count)], at_once
    )


@pytest.mark.parametrize("primary", PRIMARIES)
@pytest.mark.parametrize("scenario", ["500", "429", "refuse", "reset"])
async def test_the_second_route_delivers_when_the_primary_fails(stack: Stack, primary: str, scenario: str) -> None:
    await stack.dial("ark", render_ms=0)
    dials = {"scenario": scenario, "render_ms": 0} | ({"for_ms": 600_000} if scenario == "refuse" else {})
    await stack.dial(primary, **dials)
    told = await run(stack, primary, stack.account(10_000_000), size(test=8, prove=30))
    first = by_prompt(await calls(stack, primary))
    second = by_prompt(await calls(stack, "fal"))
    await restore(stack, primary)
    assert [one.code for one in told if not one.ok] == []
    for one in told:
        assert len(first.get(one.print, ())) <= 1, "a job called the failing primary more than once"
        assert len(second[one.print]) == 1, "a job called the second route more than once"


@pytest.mark.parametrize("primary", PRIMARIES)
async def test_from_a_failing_answer_to_the_next_request_takes_a_moment(stack: Stack, primary: str) -> None:
    """Four in ten calls fail, so the breaker stays closed and every failure is a failover to measure."""
    await stack.dial("ark", render_ms=0)
    await stack.dial(primary, scenario="500", fail_ratio=0.4, seed=7, render_ms=0)
    told = await run(stack, primary, stack.account(10_000_000), JOBS * 3)
    first, second = by_prompt(await calls(stack, primary)), by_prompt(await calls(stack, "fal"))
    assert [one.code for one in told if not one.ok] == []
    gaps_ms = []
    for one in told:
        failed = first.get(one.print, [])
        assert len(failed) <= 1
        if failed and failed[0]["status"] == 500:
            gaps_ms.append(1000 * (second[one.print][0]["monotonic"] - failed[0]["answered"]))
    p50, p99 = quantile(gaps_ms, 0.5), quantile(gaps_ms, 0.99)
    print(f"\n    {primary}: {len(gaps_ms)} failovers, failing answer to next request p50 {p50:.0f} p99 {p99:.0f} ms")
    assert len(gaps_ms) >= JOBS // 2
    assert p99 <= 300


async def test_a_hanging_asynchronous_submit_starts_the_next_route_after_a_second(stack: Stack) -> None:
    await stack.dial("ark", render_ms=0)
    await stack.dial("ark", scenario="hang")
    told = await run(stack, "ark", stack.account(10_000_000), size(test=4, prove=20))
    first, second = by_prompt(await calls(stack, "ark")), by_prompt(await calls(stack, "fal"))
    assert [one.code for one in told if not one.ok] == []
    waits_s = [
        second[one.print][0]["monotonic"] - first[one.print][0]["monotonic"] for one in told if one.print in first
    ]
    assert waits_s, "no job met the hanging primary"
    print(f"\n    {len(waits_s)} hanging submits, next route after {max(waits_s):.2f} s at most")
    assert max(waits_s) <= 1.3
    assert all(len(made) == 1 for made in first.values())


@pytest.mark.parametrize("primary", PRIMARIES)
async def test_an_open_breaker_lets_only_probes_through(stack: Stack, primary: str) -> None:
    await stack.dial("ark", render_ms=0)
    await stack.dial(primary, scenario="500")
    account = stack.account(10_000_000)
    await run(stack, primary, account, 12, at_once=4)
    opened_at = max(call["monotonic"] for call in await calls(stack, primary))
    told = await run(stack, primary, account, JOBS)
    assert [one.code for one in told if not one.ok] == []
    later = [call for call in await calls(stack, primary) if call["monotonic"] > opened_at]
    span_s = max((call["monotonic"] for call in await calls(stack, "fal")), default=opened_at) - opened_at
    print(f"\n    {primary}: {len(later)} probes in {span_s:.1f} s with a cool-down of 2 s")
    assert len(later) <= span_s / 2 + 1


@pytest.mark.parametrize("primary", PRIMARIES)
async def test_with_every_route_down_the_job_fails_refunded_and_is_never_seen_failed_before(
    stack: Stack, primary: str
) -> None:
    await stack.dial("ark", render_ms=0)
    for provider in (primary, "fal", "azure", "replicate"):
        await stack.dial(provider, scenario="500")
    account = stack.account(10_000)
    path = "/images/generations" if primary == "openai" else "/videos/generations"
    body = {"model": "gpt-image-2" if primary == "openai" else "seedance-2.0", "prompt": "nobody will draw this"}
    states = []
    for _ in range(size(test=5, prove=20)):
        status, task = await stack.native("POST", path, account, json=body)
        assert status in {200, 202}, task
        while task["status"] != "failed":
            assert task["status"] == "processing"
            status, task = await stack.native("GET", f"/tasks/{task['id']}", account)
            if task["status"] == "failed":
                # The very moment a poll says failed, the money must be back.
                job = task["id"].removeprefix("task_")
                states += stack.query(
                    "select state::text from billing.reservations where job_id = %(job)s::uuid", job=job
                )
                assert task["credits"]["charged"] == 0
                assert task["credits"]["refunded"] == task["credits"]["reserved"]
            await asyncio.sleep(0.02)
    assert {row["state"] for row in states} == {"refunded"}
    _, balance = await stack.native("GET", "/balance", account)
    assert balance["available_credits"] == 10_000


async def calls(stack: Stack, simulator: str) -> list[dict]:
    """Calls that begin work."""
    return [call for call in await stack.calls(simulator) if call["operation"] == "submit"]


async def restore(stack: Stack, simulator: str) -> None:
    await stack.reset(simulator)
