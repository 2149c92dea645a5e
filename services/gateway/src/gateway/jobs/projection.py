"""What billing says, made visible: one conditional update, then everybody who waits is told.

Billing alone decides how a job ends; here its decisions are only written down. A repeated message finds its row
written and says again what has to be said, so a crash between row and message loses nothing.
"""

from datetime import timedelta

from common import clock, telemetry
from common.contracts import JobCancel, JobChanged, JobFinished, JobRejected, JobReserved, JobSettled, Message
from common.failpoints import reach
from common.ids import task_id, video_id
from gateway.domain.job import Job
from gateway.jobs.repository import ProjectionRows
from gateway.jobs.waiters import Waiters

_ANSWERED_WITHIN = timedelta(seconds=6)
"""An asynchronous request is answered after 5 s at the latest; a refusal after that is news to its client."""

log = telemetry.logger(__name__)
finished = telemetry.counter("gateway_jobs_finished", "Jobs by how they ended.", ("model", "status"))


class Projection:
    """Handles the three kinds of news from billing."""

    def __init__(self, rows: ProjectionRows, waiters: Waiters, replica: str, overdue_grace_s: float) -> None:
        self._rows = rows
        self._waiters = waiters
        self._replica = replica
        self._overdue_grace = timedelta(seconds=overdue_grace_s)

    async def reserved(self, event: JobReserved) -> list[Message]:
        """The price of an asynchronous job is held."""
        projected = await self._rows.reserved((event, event.deadline_at + self._overdue_grace))
        job = projected.job
        if job is None:
            return []
        if job.state == "abandoned":
            # Its client was told 503: whatever comes of it must not be charged.
            log.warning("abandoned_job_was_held", job_id=job.job_id.hex)
            return [
                JobCancel(
                    job_id=job.job_id,
                    account_id=job.account_id,
                    reason="abandoned",
                    replica=self._replica,
                    synchronous=job.synchronous,
                )
            ]
        reach("G4")
        return self._tell(job)

    async def rejected(self, event: JobRejected) -> list[Message]:
        """Nothing was held, and nothing ever will be."""
        projected = await self._rows.rejected((event, clock.now()))
        job = projected.job
        if job is None:
            return []
        reach("G4")
        told = self._tell(job)
        answered = job.finished_at is not None and job.finished_at - job.created_at > _ANSWERED_WITHIN
        if job.state == "failed" and answered:
            told += _finished(job)
        return told

    async def settled(self, event: JobSettled) -> list[Message]:
        """Captured or refunded: the verdict."""
        projected = await self._rows.settled(event)
        job = projected.job
        if job is None:
            return []
        if job.state != event.status:
            log.error("verdict_contradicts_row", job_id=job.job_id.hex, state=job.state, verdict=event.status)
            return []
        if projected.changed:
            finished.inc(job.model, job.state)
        reach("G5")
        return self._tell(job) + _finished(job)

    def _tell(self, job: Job) -> list[Message]:
        self._waiters.tell(job)
        if job.replica == self._replica:
            return []
        return [JobChanged(job_id=job.job_id, account_id=job.account_id)]


def _finished(job: Job) -> list[Message]:
    """What the notifier needs, for jobs whose customer wants to be told."""
    if job.callback_url is None or job.finished_at is None or job.state not in ("completed", "failed"):
        return []
    is_openai_video = job.family == "openai" and job.kind == "video"
    return [
        JobFinished(
            job_id=job.job_id,
            account_id=job.account_id,
            public_id=video_id(job.job_id) if is_openai_video else task_id(job.job_id),
            task_id=task_id(job.job_id),
            kind=job.kind,
            model=job.model,
            status="completed" if job.state == "completed" else "failed",
            finished_at=job.finished_at,
            callback_url=job.callback_url,
            livemode=job.livemode,
        )
    ]
