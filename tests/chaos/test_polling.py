"""Thousands of videos are rendered at once: one dispatcher takes them over, asks in time, and stays small."""

import asyncio
import json
import re
import time

import aiohttp
import psutil

from common.ids import new_id, new_job_id
from support.sizes import PROOF, size
from support.stack import Stack, until

VIDEOS = size(test=300, prove=10_000)
WATCHED_S = size(test=20, prove=120)
INTERVAL_S = 15
"""Between two questions about a video of Ark that is older than two minutes."""
AT_ONCE = 50

PARK = """
insert into dispatcher.jobs (job_id, account_id, model, kind, mode, outputs, parameters, epoch, sealed,
    deadline_at, synchronous, livemode, replica, state)
select job_id, account_id, 'seedance-2.0', 'video', 'text', 1, '{"duration": 5, "resolution": "480p"}', 'none',
    'none', now() + interval '2 h', false, true, 'nobody', 'running'
from json_to_recordset(%(rows)s::json) as g (job_id uuid, account_id uuid, task text)
"""
ACCEPT = """
insert into dispatcher.attempts (job_id, attempt_no, provider, upstream_model, outputs, first_index, state,
    upstream_id, reference, started_at, accepted_at)
select job_id, 1, 'ark', 'dreamina-seedance-2-0-260128', 1, 0, 'accepted', task, json_build_object('id', task),
    now() - interval '130 s', now() - interval '130 s'
from json_to_recordset(%(rows)s::json) as g (job_id uuid, account_id uuid, task text)
"""


async def test_every_running_video_is_asked_about_in_time_and_none_is_ordered_again(stack: Stack) -> None:
    await stack.dial("ark", scenario="never_finishes")
    rows = await rendering(stack, VIDEOS)
    ordered = await stack.count("ark", "submit")
    try:
        began = time.monotonic()
        stack.query(f"with parked as ({PARK} returning 1) {ACCEPT}", rows=json.dumps(rows))
        process = psutil.Process(stack.pid("DISPATCHER"))
        await until(lambda: polled_now(stack, VIDEOS), 120)
        taken_s = time.monotonic() - began
        await asyncio.sleep(INTERVAL_S * 1.2)  # the first round
        before, cpu = await lateness(stack), sum(process.cpu_times()[:2])
        began = time.monotonic()
        await asyncio.sleep(WATCHED_S)
        span_s = time.monotonic() - began
        cpu_percent = 100 * (sum(process.cpu_times()[:2]) - cpu) / span_s
        after = await lateness(stack)
        rss_mib = process.memory_info().rss / 2**20
    finally:
        # Nothing else knows these jobs; they go before anybody can end them.
        stack.query("delete from dispatcher.jobs where replica = 'nobody'")
        stack.kill("DISPATCHER")
    asked = after["+Inf"] - before["+Inf"]
    late = asked - (after["2.0"] - before["2.0"])
    print(
        f"\n    {VIDEOS} videos taken over in {taken_s:.1f} s; {asked / span_s:.0f} questions/s, {late:.0f} of "
        f"{asked:.0f} more than 2 s late; CPU {cpu_percent:.0f} % of a core, RSS {rss_mib:.0f} MiB"
    )
    assert await stack.count("ark", "submit") == ordered
    assert asked >= VIDEOS * (span_s / (INTERVAL_S * 1.1) - 1), "some were not asked about in their interval"
    if PROOF != "test":
        assert late <= 0.01 * asked
        assert cpu_percent <= 50
        assert rss_mib <= 300


async def rendering(stack: Stack, count: int) -> list[dict[str, str]]:
    """So many orders at Ark that were accepted and never end, as rows to be."""
    url = f"{stack['UPSTREAM_ARK_BASE_URL']}/contents/generations/tasks"
    headers = {"authorization": f"Bearer {stack['UPSTREAM_ARK_API_KEY']}"}
    order = {
        "model": "dreamina-seedance-2-0-260128",
        "content": [{"type": "text", "text": "waves without end"}],
        "resolution": "480p",
        "duration": 5,
    }
    slots = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(headers=headers) as http:

        async def one() -> dict[str, str]:
            async with slots, http.post(url, json=order) as answer:
                task = (await answer.json())["id"]
            return {"job_id": str(new_job_id()), "account_id": str(new_id()), "task": task}

        return await asyncio.gather(*(one() for _ in range(count)))


async def polled_now(stack: Stack, wanted: int) -> bool:
    """Whether the dispatcher has so many generations under observation."""
    found = re.search(r"polled_generations ([0-9.e+]+)", await stack.metrics(stack.service_url("DISPATCHER")))
    return found is not None and float(found[1]) >= wanted


async def lateness(stack: Stack) -> dict[str, float]:
    """Questions asked so far, by how late at most."""
    text = await stack.metrics(stack.service_url("DISPATCHER"))
    return {le: float(count) for le, count in re.findall(r'poll_lateness_seconds_bucket{le="(\S+?)"} (\S+)', text)}
