"""This process' lease, and the jobs of owners whose lease ran out.

A lease that died leaves calls whose fate is unknown. What was accepted and recorded is asked about again. What was
being submitted may have left a complete set of outputs in the bucket, which is adopted; otherwise it is *ambiguous*:
never sent to the same provider again, to another one if the model's file allows it.
"""

import time
from datetime import timedelta
from uuid import UUID

from common import clock, telemetry
from common.messaging import CannotReach
from dispatcher import metrics
from dispatcher.domain.jobs import KEY_LABEL
from dispatcher.repository.leases import Leases
from dispatcher.repository.rows import AttemptRow, TakenJob
from dispatcher.routing.router import Router
from dispatcher.running.attempts import Attempts
from dispatcher.running.runner import Runner
from dispatcher.running.runs import Attempt, Made, Run

log = telemetry.logger(__name__)

_OPEN = ("submitting", "accepted")


class Ownership:
    """Renews the lease and takes over jobs."""

    def __init__(
        self,
        leases: Leases,
        router: Router,
        runner: Runner,
        attempts: Attempts,
        *,
        owner_id: UUID,
        lease_s: float,
        batch: int,
        overdue_slack_s: float,
    ) -> None:
        self.owner_id = owner_id
        self._leases = leases
        self._router = router
        self._runner = runner
        self._attempts = attempts
        self._lease_s = lease_s
        self._batch = batch
        self._overdue_slack = timedelta(seconds=overdue_slack_s)
        self._steady_since = time.monotonic()

    async def renew(self) -> None:
        """Live for another lease. Raises CannotReach."""
        try:
            await self._leases.renew()
        except CannotReach:
            self._steady_since = time.monotonic()
            raise

    async def leave(self) -> None:
        """Give all jobs back at once, for others to go on with."""
        await self._leases.leave()

    async def take(self) -> int:
        """Take over jobs nobody runs; how many.

        After an outage of the database every lease has run out, also those of the living: for one lease's length
        everybody gets the chance to renew before anybody is declared dead.
        """
        # Overdue ones first: taken as somebody's orphans first, they would be taken again from their new run.
        overdue = await self._leases.take_overdue(clock.now() - self._overdue_slack, self._batch)
        for one in overdue:
            metrics.taken_over.inc("overdue")
            self._go_on(one)
        steady_s = time.monotonic() - self._steady_since
        count, batch = len(overdue), self._batch
        while batch == self._batch:
            taken = await self._leases.take(self._batch, expired_too=steady_s >= self._lease_s)
            for one in taken:
                metrics.taken_over.inc("orphaned")
                self._go_on(one)
            batch = len(taken)
            count += batch
        return count

    def _go_on(self, taken: TakenJob) -> None:
        run = Run.of(taken.job, taken.generation, None)
        run.made = [Made.load(one) for one in taken.produced]
        run.attempts = max((row.attempt_no for row in taken.attempts), default=0)
        run.tried = {row.provider for row in taken.attempts}
        run.failed_generations = sum(row.failure_class == "failed_generation" for row in taken.attempts)
        log.info("job_taken_over", job_id=run.job.job_id.hex, generation=run.generation)
        for row in taken.attempts:
            if row.state in _OPEN:
                self._resume(run, row)
        self._runner.start(run)

    def _resume(self, run: Run, row: AttemptRow) -> None:
        choice = self._router.resumed(run.job, row.provider, (row.reference or {}).get(KEY_LABEL))
        if choice is None or run.left_s() <= 0:
            # Nobody here can ask that provider any more, or nobody wants to know.
            metrics.orphans.inc(row.provider, "taken_over")
            model = self._router.model(run.job.model)
            run.barred |= model is None or not model.ambiguous_failover
            return
        attempt = run.enter(Attempt(row.attempt_no, choice, row.outputs, row.first_index, time.perf_counter()))
        if row.reference is not None and row.accepted_at is not None:
            self._attempts.resume(run, attempt, row.reference, row.accepted_at)
        else:
            self._attempts.adopt(run, attempt, row.started_at)
