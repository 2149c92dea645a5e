"""Remembering, a little later and many at once, which answers were delivered and which waits were given up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from common import telemetry
from common.messaging import CannotReach
from gateway.jobs.repository.marks import MarkRows

_GATHER_S = 0.25
_RETRY_S = 1.0
_BATCH = 500
_KEPT = 50_000

log = telemetry.logger(__name__)


class Marks:
    """Two growing sets and one task that empties them, only while there is something in them."""

    def __init__(self, rows: MarkRows) -> None:
        self._rows = rows
        self._delivered: dict[UUID, None] = {}
        self._released: dict[UUID, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def delivered(self, job_id: UUID) -> None:
        """Its answer has been sent completely; nobody may adopt it any more."""
        _put(self._delivered, job_id)
        self._wake()

    def released(self, job_id: UUID) -> None:
        """Its client is gone; the repeat that may come in half a second must find this written."""
        _put(self._released, job_id)
        self._hurry.set()
        self._wake()

    async def stop(self) -> None:
        """Write what is left, if the database lets us."""
        self._hurry.set()
        task = self._task
        if task is not None:
            await asyncio.wait({task}, timeout=2)
            task.cancel()

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._write(), name="marks")

    async def _write(self) -> None:
        try:
            while self._delivered or self._released:
                try:
                    async with asyncio.timeout(_GATHER_S):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
                self._hurry.clear()
                try:
                    await _flush(self._released, self._rows.released)
                    await _flush(self._delivered, self._rows.delivered)
                except CannotReach:
                    await asyncio.sleep(_RETRY_S)
        finally:
            self._task = None


def _put(marks: dict[UUID, None], job_id: UUID) -> None:
    if len(marks) >= _KEPT:  # the database has been away for long: the oldest marks are worth the least
        del marks[next(iter(marks))]
        log.warning("mark_dropped")
    marks[job_id] = None


async def _flush(marks: dict[UUID, None], write: Callable[[Sequence[UUID]], Awaitable[None]]) -> None:
    batch = list(marks)[:_BATCH]
    if batch:
        await write(batch)
        for job_id in batch:
            marks.pop(job_id, None)
