"""The coalescer: company travels together, one bad item harms nobody else."""

import asyncio

import pytest

from common.coalescer import Coalescer, alone
from common.messaging import CannotReach


async def test_calls_in_flight_share_a_batch_and_each_gets_its_own_result() -> None:
    batches: list[list[int]] = []

    async def run(items: list[int]) -> list[int]:
        batches.append(items)
        await asyncio.sleep(0.001)
        return [item * 10 for item in items]

    double = Coalescer("double", run, max_batch=50)
    assert await asyncio.gather(*(double(n) for n in range(200))) == [n * 10 for n in range(200)]
    assert max(map(len, batches)) == 50
    assert len(batches) <= 6


async def test_a_batch_that_raises_is_run_one_by_one() -> None:
    async def run(items: list[int]) -> list[int]:
        if 7 in items:
            raise ValueError("seven")
        return items

    call = Coalescer("picky", run)
    results = await asyncio.gather(*(call(n) for n in range(10)), return_exceptions=True)
    assert [r for r in results if not isinstance(r, BaseException)] == [n for n in range(10) if n != 7]
    assert isinstance(results[7], ValueError)


async def test_what_cannot_be_reached_is_said_to_all_at_once() -> None:
    calls = 0

    async def run(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        raise CannotReach("away")

    call = Coalescer("away", run)
    results = await asyncio.gather(*(call(n) for n in range(10)), return_exceptions=True)
    assert all(isinstance(r, CannotReach) for r in results)
    assert calls == 1


async def test_a_cancelled_caller_does_not_tear_its_neighbours_batch() -> None:
    gate = asyncio.Event()

    async def run(items: list[int]) -> list[int]:
        await gate.wait()
        return items

    call = Coalescer("slow", run)
    first, second = asyncio.create_task(call(1)), asyncio.create_task(call(2))
    await asyncio.sleep(0.01)
    first.cancel()
    gate.set()
    assert await second == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_suspect_is_run_alone() -> None:
    sizes: list[int] = []

    async def run(items: list[int]) -> list[int]:
        sizes.append(len(items))
        await asyncio.sleep(0.001)
        return items

    call = Coalescer("suspects", run)

    async def suspect() -> int:
        alone.set(True)
        return await call(99)

    await asyncio.gather(asyncio.create_task(suspect()), *(call(n) for n in range(5)))
    assert sorted(sizes) == [1, 5]
