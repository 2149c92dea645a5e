"""Outputs live as long as was promised: not a moment less, and hardly more."""

import asyncio

import pytest

from common.contracts import JobGenerated, JobStored
from common.messaging import CannotReach
from common.objects import Refused
from storage.sweeper import Sweeper

from .conftest import PNG, Storage, a_replica, a_stubborn_store


async def two_jobs(storage: Storage) -> tuple[JobGenerated, JobGenerated]:
    due, fresh = await storage.inline(PNG, PNG), await storage.inline(PNG)
    for event in (due, fresh):
        assert isinstance(await storage.replica.store(event), JobStored)
    storage.make_due(due.job_id)
    return due, fresh


async def objects_of(storage: Storage, event: JobGenerated) -> list[bool]:
    return [await storage.content(one.key or "") is not None for one in event.outputs]


async def test_what_is_due_goes_and_the_rest_stays(storage: Storage) -> None:
    due, fresh = await two_jobs(storage)
    assert await storage.replica.sweeper.sweep() == 2
    assert await objects_of(storage, due) == [False, False]
    assert await objects_of(storage, fresh) == [True]
    assert all(row["deleted_at"] for row in storage.rows(due.job_id))
    assert storage.rows(fresh.job_id)[0]["deleted_at"] is None
    assert await storage.replica.sweeper.sweep() == 0


@pytest.mark.parametrize(("scenario", "error"), [("503", CannotReach), ("403", Refused)])
async def test_what_could_not_be_deleted_is_not_noted_as_deleted(storage: Storage, s3, scenario, error) -> None:
    due, _ = await two_jobs(storage)
    s3.dial(scenario=scenario)
    with pytest.raises(error):
        await storage.replica.sweeper.sweep()
    assert [row["deleted_at"] for row in storage.rows(due.job_id)] == [None, None]
    s3.dial()
    assert await storage.replica.sweeper.sweep() == 2


async def test_a_sweeper_outlives_an_object_store_that_is_away(storage: Storage, s3) -> None:
    due, _ = await two_jobs(storage)
    s3.dial(scenario="403")
    storage.replica.sweeper.start()
    try:
        await asyncio.sleep(0.3)
        assert await objects_of_rows(storage, due) == [False, False]
        s3.dial()
        async with asyncio.timeout(5):
            while await objects_of_rows(storage, due) != [True, True]:
                await asyncio.sleep(0.05)
    finally:
        await storage.replica.sweeper.stop()


async def objects_of_rows(storage: Storage, event: JobGenerated) -> list[bool]:
    return [row["deleted_at"] is not None for row in storage.rows(event.job_id)]


async def test_two_sweepers_do_no_harm(storage: Storage, urls, s3) -> None:
    events = [await storage.inline(PNG) for _ in range(20)]
    for event in events:
        await storage.replica.store(event)
        storage.make_due(event.job_id)
    async with a_replica(urls, s3) as other:
        await asyncio.gather(*(one.sweeper.sweep() for one in (storage.replica, other) for _ in range(3)))
    assert all(storage.rows(event.job_id)[0]["deleted_at"] for event in events)


async def test_an_object_a_day_past_its_time_raises_the_alarm(storage: Storage) -> None:
    due, _ = await two_jobs(storage)
    assert await storage.replica.sweeper.check() == 0
    storage.make_due(due.job_id, ago="25 hours")
    assert await storage.replica.sweeper.check() == 2
    await storage.replica.sweeper.sweep()
    assert await storage.replica.sweeper.check() == 0


async def test_objects_that_cannot_be_deleted_keep_nobody_waiting(storage: Storage, s3) -> None:
    first, others = await storage.inline(*[PNG] * 20), await storage.inline(PNG, PNG)
    for event, ago in ((first, "2 hours"), (others, "1 hour")):
        await storage.replica.store(event)
        storage.make_due(event.job_id, ago)
    keys = [one.key for one in first.outputs if one.key]
    async with a_stubborn_store(s3, *keys) as objects:
        sweeper = Sweeper(storage.replica.assets, objects, interval_s=0.05)
        went = 0
        for _ in range(3):
            try:
                went += await sweeper.sweep()
            except CannotReach:
                continue
        assert went == 2
        assert await objects_of_rows(storage, others) == [True, True]
        assert not any(await objects_of_rows(storage, first))
        objects.stubborn = frozenset(keys[:1])  # whoever mended the others forgot one
        for _ in range(2):
            went += await sweeper.sweep()
        assert went == 2 + 19
        assert (await objects_of_rows(storage, first)).count(False) == 1
    assert await storage.replica.sweeper.sweep() == 1
