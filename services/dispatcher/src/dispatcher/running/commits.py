"""Group commits of everything a running job writes, with its fence: who lost the job is told so."""

import asyncio
from uuid import UUID

from common.coalescer import Coalescer
from dispatcher.repository.parking import Parked, Parking, ParkingLot
from dispatcher.repository.progress import Acceptance, Finish, Progress, Step
from dispatcher.repository.results import Results
from dispatcher.running.insisting import insist

FINISH_GRACE_S = 600.0
"""A verdict is tried this long past its deadline; by then billing has given the money back by itself."""
_MARK_LINGER_MS = 50


class LostJob(Exception):  # noqa: N818
    """Another process has taken this job over; whatever we know of it no longer counts."""


class Commits:
    """One coalescer per kind of write."""

    def __init__(self, lot: ParkingLot, progress: Progress, results: Results) -> None:
        self._park = Coalescer[Parking, Parked]("park", lot.park)
        self._step = Coalescer[Step, bool]("step", progress.step)
        self._accept = Coalescer[Acceptance, bool]("accept", progress.accept)
        self._finish = Coalescer[Finish, bool]("finish", progress.finish)
        self._mark = Coalescer[UUID, None](
            "mark", results.mark, max_batch=500, linger_ms=_MARK_LINGER_MS, always_linger=True
        )

    async def park(self, parking: Parking) -> Parked:
        """Park a job. Raises CannotReach: the broker keeps the delivery."""
        return await self._park(parking)

    async def step(self, step: Step, until: float) -> None:
        """An attempt ends, the next begins. Raises LostJob, CannotReach after ``until``."""
        if not await insist("step", lambda: self._step(step), until):
            raise LostJob

    async def accept(self, acceptance: Acceptance, until: float) -> None:
        """An upstream took the order. Raises LostJob, CannotReach after ``until``."""
        if not await insist("accept", lambda: self._accept(acceptance), until):
            raise LostJob

    async def finish(self, finish: Finish) -> None:
        """The verdict. Raises LostJob, CannotReach when the database stayed away for very long."""
        until = asyncio.get_running_loop().time() + FINISH_GRACE_S
        if not await insist("finish", lambda: self._finish(finish), until):
            raise LostJob

    async def mark(self, job_id: UUID) -> None:
        """The verdict's message is confirmed; nobody waits for this, so it lingers for company."""
        await self._mark(job_id)
