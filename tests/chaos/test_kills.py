"""P15: nothing accepted is lost, through the death of any part."""

import asyncio
import signal
import time
from collections import Counter

import pytest

from support.audit import settled, unfetchable
from support.jobs import Told, by_prompt, image, together, video
from support.sizes import size
from support.stack import SERVICES, Stack

PARTS = (*SERVICES, "RABBITMQ", "POSTGRES")
JOBS = size(test=120, prove=500, long=3_000)


async def test_every_part_dies_in_turn_while_jobs_run(stack: Stack) -> None:
    account = stack.account(10_000_000)
    await stack.dial("openai", delay_ms=400, delay_spread_ms=800)
    await stack.dial("ark", render_ms=3_000)
    jobs = [
        (image if n % 3 else video)(stack, account, f"kill job {n}", max_retries=2, timeout=300) for n in range(JOBS)
    ]
    running = asyncio.create_task(together(jobs, at_once=size(test=24, prove=40)))
    killed = []
    while not running.done():
        for part in PARTS:
            if running.done():
                break
            await asyncio.sleep(size(test=2, prove=3))
            old = stack.kill(part)
            began = time.monotonic()
            await stack.restarted(part, old)
            killed.append((part, round(time.monotonic() - began, 1)))
            await stack.ready()
        if len(killed) >= len(PARTS):
            break
    told = await running
    await settled(stack)
    outcomes = Counter("ok" if one.ok else f"{one.status} {one.code}" for one in told)
    print(f"\n    {len(killed)} kills {killed}; {dict(outcomes)}")
    assert {part for part, _ in killed} == set(PARTS), "a part was not killed: the load ended too soon"
    assert max(seconds for part, seconds in killed if part in SERVICES) <= 2
    rows = stack.query(
        "select job_id, state from gateway.jobs where account_id = %(a)s::uuid and state = 'completed'",
        a=account.account_id,
    )
    tasks = [f"task_{row['job_id'].hex}" for row in rows]
    assert await unfetchable(stack, account, tasks[:: size(test=3, prove=1)]) == []
    captured = stack.query(
        "select count(*) as n from billing.reservations where account_id = %(a)s::uuid and state = 'captured'",
        a=account.account_id,
    )[0]["n"]
    assert captured >= outcomes["ok"]
    assert captured == len(tasks)


async def test_a_dead_broker_makes_nobody_generate_twice(stack: Stack) -> None:
    """100 synchronous calls are at an upstream of 5 s when RabbitMQ dies: the upstream sees 100, not more."""
    account = stack.account(100_000)
    await stack.dial("openai", delay_ms=5_000)
    count = 100
    running = asyncio.create_task(
        together([image(stack, account, f"broker {n}", timeout=120) for n in range(count)], at_once=count)
    )
    while len(await stack.calls("openai", "submit")) < count:
        await asyncio.sleep(0.1)
    old = stack.kill("RABBITMQ")
    told = await running
    await stack.restarted("RABBITMQ", old)
    assert Counter(one.ok for one in told) == {True: count}
    assert len(await stack.calls("openai", "submit")) == count
    assert await stack.calls("fal", "submit") == []


@pytest.mark.parametrize("prompts", ["each its own", "all the same"])
async def test_clients_of_a_killed_gateway_get_their_picture_and_pay_once(stack: Stack, prompts: str) -> None:
    """50 stock clients wait when the gateway dies; their own retries find the jobs they had begun."""
    account = stack.account(100_000)
    await stack.dial("openai", delay_ms=4_000)
    count = 50
    running = asyncio.create_task(
        together(
            [
                image(stack, account, f"gateway {prompts} {n if prompts == 'each its own' else ''}")
                for n in range(count)
            ],
            at_once=count,
        )
    )
    while len(await stack.calls("openai", "submit")) < count:
        await asyncio.sleep(0.1)
    stack.kill("GATEWAY")
    told = await running
    assert Counter("ok" if one.ok else f"{one.status} {one.code}" for one in told) == {"ok": count}
    await settled(stack)
    charges = stack.query(
        "select count(*) as n from billing.reservations where account_id = %(a)s::uuid and state = 'captured'",
        a=account.account_id,
    )
    assert charges[0]["n"] == count
    assert len(await stack.calls("openai", "submit")) == count
    assert len({one.value.data[0].url.partition("?")[0] for one in told}) == count


async def test_nobody_who_was_told_5xx_is_charged_while_billing_stands_still(stack: Stack) -> None:
    account = stack.account(1_000_000)
    still_s = size(test=40, prove=120)
    billing = stack.pid("BILLING")
    told: list[Told] = []
    end = time.monotonic() + still_s + 5

    async def customer(number: int) -> None:
        count = 0
        while time.monotonic() < end:
            count += 1
            told.append(await image(stack, account, f"still {number} {count}", max_retries=0, timeout=300))

    customers = [asyncio.create_task(customer(n)) for n in range(12)]
    await asyncio.sleep(2)
    stack.kill("BILLING", signal.SIGSTOP)
    try:
        await asyncio.sleep(still_s)
    finally:
        stack.kill("BILLING", signal.SIGCONT)
    await asyncio.gather(*customers)
    assert stack.pid("BILLING") == billing
    await settled(stack)
    outcomes = Counter("ok" if one.ok else f"{one.status} {one.code}" for one in told)
    print(f"\n    {dict(outcomes)}")
    captured = stack.query(
        "select count(*) as n from billing.reservations where account_id = %(a)s::uuid and state = 'captured'",
        a=account.account_id,
    )[0]["n"]
    assert captured == outcomes["ok"]
    assert any((one.status or 0) >= 500 for one in told), "nobody was told 5xx: this proved nothing"


async def test_a_killed_dispatcher_calls_no_upstream_twice_for_what_was_recorded(stack: Stack) -> None:
    """Videos accepted by the primary when the dispatcher dies are polled on, not made again."""
    account = stack.account(1_000_000)
    await stack.dial("ark", render_ms=6_000)
    count = size(test=10, prove=40)
    running = asyncio.create_task(
        together([video(stack, account, f"resume {n}", timeout=120) for n in range(count)], at_once=count)
    )
    while len(by_prompt(await stack.calls("ark", "submit"))) < count:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # acceptance is recorded
    stack.kill("DISPATCHER")
    told = await running
    assert Counter(one.ok for one in told) == {True: count}
    assert len(await stack.calls("ark", "submit")) == count
    assert await stack.calls("fal", "submit") == []
