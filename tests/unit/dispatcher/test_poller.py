"""Asking about accepted generations: each provider on its own, as long as somebody wants the result."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dispatcher.domain.failures import UpstreamFailed
from dispatcher.domain.jobs import Link, Pending, Produced
from dispatcher.running.poller import Poller
from dispatcher.upstreams.protocol import CannotAsk

FOR_EVER = float("inf")
MADE = Produced((Link("https://media.example/a.mp4"),))


@pytest_asyncio.fixture
async def poller() -> AsyncIterator[Poller]:
    poller = Poller(workers=4, lost_contact_s=0.3, last_ask_s=0.3)
    poller.start()
    yield poller
    await poller.stop()


def every(milliseconds: int):
    return lambda _age_ms: milliseconds


async def hang() -> Pending:
    await asyncio.sleep(60)
    return Pending()


async def test_a_provider_whose_answers_hang_delays_nobody_else(poller):
    hung = [poller.watch(hang, every(10), provider="hanging", until=FOR_EVER) for _ in range(100)]
    await asyncio.sleep(0.05)
    asked: list[float] = []

    async def ask() -> Pending | Produced:
        asked.append(time.monotonic())
        return MADE if len(asked) == 10 else Pending()

    async with asyncio.timeout(10):
        assert await poller.watch(ask, every(20), provider="healthy", until=FOR_EVER) == MADE
    # Of one of them the machine may have stood still.
    assert sorted(later - sooner for sooner, later in itertools.pairwise(asked))[-2] < 0.3
    for one in hung:
        one.cancel()


async def test_no_provider_is_asked_more_questions_at_a_time_than_it_has_workers(poller):
    open_now, most = 0, 0

    async def ask() -> Pending | Produced:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        return MADE

    async with asyncio.timeout(5):
        await asyncio.gather(*(poller.watch(ask, every(10), provider="one", until=FOR_EVER) for _ in range(40)))
    assert most == 4


async def test_a_wish_for_peace_ends_before_the_deadline_and_no_sooner():
    poller = Poller(workers=4, lost_contact_s=1, last_ask_s=0.05)
    poller.start()

    def once_shy():
        answers = [Pending(wish_s=3600), MADE]

        async def ask() -> Pending | Produced:
            return answers.pop(0)

        return ask

    now = asyncio.get_running_loop().time
    until = now() + 1
    async with asyncio.timeout(2):
        await asyncio.gather(*(poller.watch(once_shy(), every(10), provider="shy", until=until) for _ in range(30)))
    assert until - 0.1 < now() < until
    await poller.stop()


async def test_a_provider_that_would_not_answer_now_is_not_lost(poller):
    began = time.monotonic()

    async def throttled() -> Pending | Produced:
        if time.monotonic() - began > 0.6:
            return MADE
        raise CannotAsk("http_429", reached=True)

    async def silent() -> Pending | Produced:
        raise CannotAsk("timeout")

    async with asyncio.timeout(3):
        assert await poller.watch(throttled, every(50), provider="busy", until=FOR_EVER) == MADE
        with pytest.raises(UpstreamFailed, match="lost_contact"):
            await poller.watch(silent, every(50), provider="gone", until=FOR_EVER)


async def test_an_adapters_defect_costs_one_generation_and_no_worker(poller):
    async def stumble() -> Pending | Produced:
        raise ZeroDivisionError

    async def ask() -> Pending | Produced:
        return MADE

    for _ in range(10):
        with pytest.raises(UpstreamFailed, match="adapter_defect"):
            await poller.watch(stumble, every(10), provider="one", until=FOR_EVER)
    async with asyncio.timeout(10):
        assert await poller.watch(ask, every(10), provider="one", until=FOR_EVER) == MADE
