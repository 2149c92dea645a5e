"""Memory for large answers: bounded, and nobody waits for ever."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.upstreams.budget import MIB, Budget

TOTAL = 16 * MIB


async def read(budget: Budget, size: int, most: int, part: int = MIB // 3) -> int:
    """One answer arriving in parts; the most that was held meanwhile."""
    held = 0
    with budget.share() as share:
        for arrived in range(part, size + part, part):
            await share.cover(min(arrived, size), most)
            held = max(held, budget.held_bytes)
            await asyncio.sleep(0)
    return held


@given(st.lists(st.tuples(st.integers(1, 24 * MIB), st.booleans()), min_size=1, max_size=30))
def test_all_readers_finish_and_the_budget_is_never_exceeded(answers):
    async def run() -> None:
        budget = Budget(TOTAL)
        readers = [read(budget, size, size if told else 24 * MIB) for size, told in answers]
        async with asyncio.timeout(20):
            assert max(await asyncio.gather(*readers)) <= TOTAL
        assert budget.held_bytes == 0

    asyncio.run(run())


async def test_small_answers_never_wait():
    budget = Budget(TOTAL)
    with budget.share() as greedy:
        await greedy.cover(17 * MIB, 17 * MIB)
        assert budget.held_bytes == TOTAL
        async with asyncio.timeout(5):
            assert await read(budget, MIB, MIB) == TOTAL


async def test_answers_that_trickle_in_hold_only_what_they_have():
    budget = Budget(TOTAL)
    with budget.share() as one, budget.share() as two:
        await one.cover(3 * MIB, 14 * MIB)
        await two.cover(3 * MIB, 14 * MIB)
        assert budget.held_bytes == 4 * MIB
        async with asyncio.timeout(5):
            await read(budget, 12 * MIB, 12 * MIB)


async def test_one_who_gives_up_waiting_leaves_nothing_behind():
    budget = Budget(TOTAL)
    with budget.share() as greedy:
        await greedy.cover(17 * MIB, 17 * MIB)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await read(budget, 5 * MIB, 5 * MIB)
    assert budget.held_bytes == 0
    assert await read(budget, 17 * MIB, 17 * MIB) == TOTAL
