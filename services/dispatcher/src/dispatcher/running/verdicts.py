"""How a job ends: the verdict is a committed row first, a message second, a mark third."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from common import telemetry
from common.catalogue import Most
from common.contracts import JobFailed, JobGenerated, Message
from common.failpoints import reach
from common.messaging import CannotReach
from dispatcher import metrics
from dispatcher.domain.failures import MESSAGES
from dispatcher.domain.jobs import Job
from dispatcher.repository.progress import Ending, Finish
from dispatcher.running.commits import Commits
from dispatcher.running.runs import Made, Run

log = telemetry.logger(__name__)

Publish = Callable[[Message], Awaitable[None]]


def failed(job: Job, code: str) -> JobFailed:
    """The message of a job that ends without outputs."""
    return JobFailed(
        job_id=job.job_id, account_id=job.account_id, stage="dispatcher", code=code, message=MESSAGES[code]
    )


def generated(job: Job, made: Sequence[Made], origins: Sequence[str], most: Most | None = None) -> JobGenerated:
    """The message of a job that has at least one output; none of them may be more than ``most``."""
    return JobGenerated(
        job_id=job.job_id,
        account_id=job.account_id,
        model=job.model,
        kind=job.kind,
        provider=made[0].provider,
        wanted=job.outputs,
        outputs=tuple(one.output for one in made),
        origins=tuple(origins),
        deadline_at=job.deadline_at,
        most_ms=most.ms if most else None,
        most_edge=most.edge if most else None,
    )


def dump(message: JobGenerated | JobFailed) -> dict[str, Any]:
    """As it is kept in the row, so that it can be published again as it was."""
    return {"type": message.TYPE, "message": message.model_dump(mode="json")}


def load(verdict: dict[str, Any]) -> JobGenerated | JobFailed:
    """The inverse of :func:`dump`."""
    kinds: dict[str, type[JobGenerated | JobFailed]] = {kind.TYPE: kind for kind in (JobGenerated, JobFailed)}
    return kinds[verdict["type"]].model_validate(verdict["message"])


class Verdicts:
    """Commits and announces verdicts."""

    def __init__(self, commits: Commits, publish: Publish) -> None:
        self._commits = commits
        self._publish = publish

    async def give(self, run: Run, message: JobGenerated | JobFailed, ending: Ending | None) -> None:
        """End a job. Raises LostJob, CannotReach; once committed, the message will go out, now or by the sweeper."""
        if any(made.output.key for made in run.made):
            reach("D5")
        await self._commits.finish(
            Finish(
                job_id=run.job.job_id,
                generation=run.generation,
                verdict=dump(message),
                done=isinstance(message, JobGenerated),
                ending=ending,
            )
        )
        metrics.verdicts.inc(run.job.model, message.code if isinstance(message, JobFailed) else "done")
        await self.announce(run.job.job_id, message)

    async def announce(self, job_id: UUID, message: JobGenerated | JobFailed) -> None:
        """Publish a committed verdict and mark it; what does not work now is the sweeper's."""
        reach("D6")
        try:
            await self._publish(message)
            await self._commits.mark(job_id)
        except CannotReach as error:
            log.info("result_left_for_sweeper", job_id=job_id.hex, reason=str(error))
