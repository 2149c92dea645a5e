"""How long a failing answer keeps a customer waiting, with the providers in a process of their own."""

import asyncio
import json
import sys
import urllib.request
from asyncio.subprocess import PIPE, create_subprocess_exec

import pytest

from common.catalogue import load
from simulators.journal import fingerprint
from support.dispatcher import running_dispatcher

JOBS = 200
AT_ONCE = 10


def _ask(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=10) as answer:
        return json.load(answer)


def _is_up(url):
    try:
        return _ask("GET", f"{url.rstrip('/')}/healthz")["status"] == "ok"
    except OSError:
        return False


@pytest.fixture
async def urls():
    child = await create_subprocess_exec(
        sys.executable, "-m", "simulators", "providers", "--render-ms", "600000", stdout=PIPE
    )
    try:
        assert child.stdout is not None
        urls = json.loads(await child.stdout.readline())
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(_is_up, urls["fal"]):
                await asyncio.sleep(0.05)
        yield urls
    finally:
        child.terminate()
        await child.wait()


async def test_from_the_failing_answer_to_the_next_request_it_takes_milliseconds(
    urls, database, s3, keys, record_property
):
    origins = {name: url.partition("/v1")[0].partition("/api/")[0].rstrip("/") for name, url in urls.items()}
    await asyncio.to_thread(_ask, "PUT", f"{origins['ark']}/__dials", {"scenario": "500"})
    environ = {
        "UPSTREAM_ARK_BASE_URL": f"{origins['ark']}/api/v3",
        "UPSTREAM_ARK_API_KEY": "k",
        "UPSTREAM_FAL_BASE_URL": origins["fal"],
        "UPSTREAM_FAL_API_KEY": "k",
    }
    prompts = [f"failover {number}" for number in range(JOBS)]
    settings = {"breaker_min_failures": 1_000_000}
    async with running_dispatcher(database, s3, keys, environ, load(), **settings) as dispatcher:
        for start in range(0, JOBS, AT_ONCE):
            events = [dispatcher.event("seedance-2.0", prompt) for prompt in prompts[start : start + AT_ONCE]]
            await asyncio.gather(*(dispatcher.take(event) for event in events))
            await asyncio.sleep(0.1)  # looking into the database here would hold up the loop being measured
        await asyncio.sleep(1)
        failed = await _calls(origins["ark"])
        tried = await _calls(origins["fal"])
        await dispatcher.die()
    waits = []
    for printed in map(fingerprint, prompts):
        first, second = failed.get(printed, []), tried.get(printed, [])
        assert len(first) <= 1, "a failing provider was called twice"
        # When the host stands still, connecting may take too long: such a job never met a failing answer.
        if first and second:
            waits.append((second[0]["monotonic"] - first[0]["answered"]) * 1000)
    waits.sort()
    assert len(waits) >= 0.9 * JOBS
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    record_property("failover_ms", f"p50 {p50:.1f}, p99 {p99:.1f}")
    print(f"failover p50 {p50:.1f} ms, p99 {p99:.1f} ms over {len(waits)} jobs")
    assert p99 <= 300


async def _calls(origin):
    found = await asyncio.to_thread(_ask, "GET", f"{origin}/__calls?operation=submit")
    by_prompt = {}
    for call in found["calls"]:
        by_prompt.setdefault(call["prompt"], []).append(call)
    return by_prompt
