"""Waiting: woken at once, never fooled by an older row, and no query when nobody waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from common.ids import new_id
from gateway.domain.job import Job
from gateway.jobs.waiters import ClientGone, Waiters

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def a_job() -> Job:
    return Job(
        job_id=new_id(), account_id=new_id(), livemode=True, family="openai", model="m", kind="image", parameters={},
        synchronous=True, state="submitted", outputs=(), reserved_microusd=None, charged_microusd=None,
        refunded_microusd=None, error_code=None, error_message=None, body_hash=b"", replica="r", callback_url=None,
        created_at=NOW, finished_at=None, expires_at=None,
    )  # fmt: skip


class Rows:
    """A table of jobs that counts how often it is asked."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = {job.job_id: job for job in jobs}
        self.asked = 0

    async def read(self, job_id: UUID) -> Job | None:
        self.asked += 1
        return self.jobs.get(job_id)

    async def changed(self, job_ids: Sequence[UUID]) -> list[Job]:
        self.asked += 1
        return [self.jobs[job_id] for job_id in job_ids if self.jobs[job_id].state != "submitted"]


def is_final(job: Job) -> bool:
    return job.is_final


async def test_a_projection_wakes_everybody_who_waits() -> None:
    job = a_job()
    waiters = Waiters(Rows(job).read, Rows(job).changed)
    with waiters.watch(job.job_id) as one, waiters.watch(job.job_id) as two:
        waiting = asyncio.gather(one.until(is_final, 5), two.until(is_final, 5))
        await asyncio.sleep(0)
        waiters.tell(replace(job, state="completed"))
        assert [found and found.state for found in await waiting] == ["completed", "completed"]
    assert not waiters.awaits(job.job_id)
    await waiters.stop()


async def test_a_lost_hint_costs_one_sweep() -> None:
    job = a_job()
    rows = Rows(job)
    waiters = Waiters(rows.read, rows.changed, sweep_s=0.05)
    with waiters.watch(job.job_id) as watch:
        waiting = asyncio.create_task(watch.until(is_final, 5))
        rows.jobs[job.job_id] = replace(job, state="failed")
        found = await waiting
    assert found is not None
    assert found.state == "failed"


async def test_nobody_waiting_means_no_query() -> None:
    rows = Rows(a_job())
    waiters = Waiters(rows.read, rows.changed, sweep_s=0.01)
    with waiters.watch(next(iter(rows.jobs))):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.03)
    asked = rows.asked
    await waiters.look(next(iter(rows.jobs)))
    await asyncio.sleep(0.05)
    assert rows.asked == asked


async def test_a_final_state_is_not_forgotten_for_an_older_row() -> None:
    job = a_job()
    waiters = Waiters(Rows(job).read, Rows(job).changed)
    with waiters.watch(job.job_id) as watch:
        watch.tell(replace(job, state="completed"))
        watch.tell(replace(job, state="processing"))
        found = await watch.until(is_final, 1)
    assert found is not None
    await waiters.stop()


async def test_a_client_that_hangs_up_ends_its_wait() -> None:
    job = a_job()
    waiters = Waiters(Rows(job).read, Rows(job).changed)
    with waiters.watch(job.job_id) as watch:
        asyncio.get_running_loop().call_later(0.01, watch.client_went_away)
        with pytest.raises(ClientGone):
            await watch.until(is_final, 5)
    await waiters.stop()


async def test_patience_ends() -> None:
    job = a_job()
    waiters = Waiters(Rows(job).read, Rows(job).changed)
    with waiters.watch(job.job_id) as watch:
        assert await watch.until(is_final, 0.01) is None
    await waiters.stop()
