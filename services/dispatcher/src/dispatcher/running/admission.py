"""Takes a reserved job in: decides its first route and parks it, once."""

from common import clock, telemetry
from common.contracts import JobReserved
from common.failpoints import reach
from common.messaging import TryLater
from dispatcher.domain.jobs import Job
from dispatcher.repository.leases import Leases
from dispatcher.repository.parking import Parked, Parking
from dispatcher.routing.router import Choice, Router
from dispatcher.running.commits import Commits
from dispatcher.running.runner import Runner
from dispatcher.running.runs import Run
from dispatcher.running.verdicts import Verdicts, dump, failed

_FULL_PAUSE_MS = 5_000

log = telemetry.logger(__name__)


class Admission:
    """The promise behind ``job.reserved``: parked before it is acknowledged, called at most once for it."""

    def __init__(self, router: Router, runner: Runner, commits: Commits, verdicts: Verdicts, leases: Leases) -> None:
        self._router = router
        self._runner = runner
        self._commits = commits
        self._verdicts = verdicts
        self._leases = leases

    async def take(self, event: JobReserved) -> None:
        """Park the job and run it, or end it at once. A job that is known already is left to whoever has it.

        Raises:
            TryLater: this process runs as many jobs as it may.
            CannotReach: the database is away.
        """
        if self._runner.runs(event.job_id):
            return
        if self._runner.is_full_for(event.kind):
            raise TryLater("running as many jobs as allowed", after_ms=_FULL_PAUSE_MS)
        job = _job_of(event)
        if event.deadline_at <= clock.now():
            await self._refuse(job, event.sealed, "deadline_exceeded")
            return
        choice = self._router.choose(job, ())
        if choice is None:
            await self._refuse(job, event.sealed, "upstream_unavailable")
            return
        await self._begin(job, event.sealed, choice if isinstance(choice, Choice) else None)

    async def _begin(self, job: Job, sealed: str, choice: Choice | None) -> None:
        """Park with the first attempt, or without one while every route that is well is full."""
        run = Run.of(job, 1, sealed)
        attempt = run.begin(choice) if choice else None
        try:
            parked = await self._commits.park(
                Parking(job, sealed, opening=attempt.opening(job.mode) if attempt else None)
            )
        except BaseException:
            if choice is not None:
                choice.permit.end()
            raise
        reach("D1")
        if parked is Parked.FRESH:
            self._runner.start(run, attempt)
            return
        if choice is not None:
            choice.permit.end()
        if parked is Parked.OURS and not self._runner.runs(job.job_id):
            # Parked by us when the database's answer got lost; nobody runs it. Let the sweep for orphaned jobs
            # find it: it knows how to go on with a job whose past is uncertain.
            await self._leases.let_go(job.job_id)

    async def _refuse(self, job: Job, sealed: str, code: str) -> None:
        message = failed(job, code)
        if await self._commits.park(Parking(job, sealed, verdict=dump(message))) is Parked.FRESH:
            log.info("job_refused", job_id=job.job_id.hex, model=job.model, code=code)
            await self._verdicts.announce(job.job_id, message)


def _job_of(event: JobReserved) -> Job:
    return Job(
        job_id=event.job_id,
        account_id=event.account_id,
        model=event.model,
        kind=event.kind,
        mode=event.mode,
        outputs=event.outputs,
        parameters=event.parameters,
        epoch=event.epoch,
        deadline_at=event.deadline_at,
        synchronous=event.synchronous,
        livemode=event.livemode,
        replica=event.replica,
        lossy=event.lossy,
        failover=event.failover,
    )
