"""One timer limits many calls, and a cancellation from outside stays one."""

import asyncio

import pytest

from common.limits import Limits


async def test_a_call_past_its_limit_ends_and_others_go_on():
    limits = Limits()

    async def call(limit_s: float) -> str:
        with limits.of(limit_s):
            await asyncio.sleep(0.6)
        return "done"

    ended = await asyncio.gather(call(0.1), call(5), call(0.2), return_exceptions=True)
    assert [type(one) for one in ended] == [TimeoutError, str, TimeoutError]
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


async def test_a_call_in_time_is_left_alone_afterwards():
    limits = Limits()
    with limits.of(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.6)
    with limits.of(5):
        await asyncio.sleep(0.3)


async def test_a_cancellation_from_outside_is_no_timeout():
    limits = Limits()

    async def call() -> None:
        with limits.of(0.01):
            try:
                await asyncio.sleep(10)
            finally:
                asyncio.current_task().cancel()  # somebody else, in the same moment

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(call())


async def test_an_error_of_the_call_itself_passes():
    with pytest.raises(ZeroDivisionError), Limits().of(1):
        raise ZeroDivisionError
