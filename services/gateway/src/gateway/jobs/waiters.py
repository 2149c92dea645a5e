"""Requests that wait for a job: a synchronous answer, an asynchronous one's decision, a long poll.

A waiter registers here first and reads the row once afterwards, so no change falls between. It is woken by this
replica's projection or by a hint; the sweep re-reads all waited-for jobs every two seconds in one query, so that
a lost hint costs two seconds and nothing else. Nobody waiting means no query at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from common import telemetry
from common.messaging import CannotReach
from gateway.domain.job import Job

SWEEP_S = 2.0
_SWEEP_BATCH = 1_000

log = telemetry.logger(__name__)
waiting = telemetry.gauge("gateway_waiting", "Requests that wait for a job right now.")


class ClientGone(Exception):  # noqa: N818 - what happened
    """The client hung up while its request waited; the job goes on."""


class Watch:
    """One request's view of one job."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        self.job: Job | None = None
        self._client_gone = False
        self._news = asyncio.Event()

    def tell(self, job: Job) -> None:
        """Here is the job as it is now. What is older than what is known is ignored: final states stay."""
        if self.job is None or not self.job.is_final:
            self.job = job
            self._news.set()

    def client_went_away(self) -> None:
        """Nobody will read the answer any more."""
        self._client_gone = True
        self._news.set()

    async def until(self, holds: Callable[[Job], bool], timeout_s: float) -> Job | None:
        """The job once ``holds`` is true of it; None after ``timeout_s``.

        Raises:
            ClientGone: the client hung up first.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if self.job is not None and holds(self.job):
                        return self.job
                    if self._client_gone:
                        raise ClientGone
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None


class Waiters:
    """All watches of this replica."""

    def __init__(
        self,
        read: Callable[[UUID], Awaitable[Job | None]],
        changed: Callable[[Sequence[UUID]], Awaitable[list[Job]]],
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._read = read
        self._changed = changed
        self._sweep_s = sweep_s
        self._watches: dict[UUID, list[Watch]] = {}
        self._sweeping: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, job_id: UUID) -> Iterator[Watch]:
        """Be told of every change of one job from here on."""
        watch = Watch(job_id)
        self._watches.setdefault(job_id, []).append(watch)
        waiting.set(len(self._watches))
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="waiters")
        try:
            yield watch
        finally:
            watches = self._watches[job_id]
            watches.remove(watch)
            if not watches:
                del self._watches[job_id]
            waiting.set(len(self._watches))

    def awaits(self, job_id: UUID) -> bool:
        """Somebody here waits for this job."""
        return job_id in self._watches

    def tell(self, job: Job) -> None:
        """Wake whoever waits for this job, with its row."""
        for watch in self._watches.get(job.job_id, ()):
            watch.tell(job)

    async def look(self, job_id: UUID) -> None:
        """A hint said that this job has changed: read it, if anybody here cares."""
        if not self.awaits(job_id):
            return
        try:
            job = await self._read(job_id)
        except CannotReach:
            return  # the sweep will see it
        if job is not None:
            self.tell(job)

    async def stop(self) -> None:
        """No more sweeps."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _sweep(self) -> None:
        try:
            while self._watches:
                await asyncio.sleep(self._sweep_s)
                waited_for = list(self._watches)
                for start in range(0, len(waited_for), _SWEEP_BATCH):
                    await self._reread(waited_for[start : start + _SWEEP_BATCH])
        finally:
            self._sweeping = None

    async def _reread(self, job_ids: list[UUID]) -> None:
        try:
            for job in await self._changed(job_ids):
                self.tell(job)
        except CannotReach:
            log.debug("sweep_skipped")
