"""Taking a job in: its row and its first attempt's row, in one statement for many jobs."""

from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from common.database import Database
from common.records import as_records
from dispatcher.domain.jobs import Job
from dispatcher.repository.rows import Opening


class Parked(Enum):
    """What parking found."""

    FRESH = "fresh"
    KNOWN = "known"
    """It is parked or final already; whoever parked it sees to it."""
    OURS = "ours"
    """This process parked it before (an answer of the database got lost) and may have nobody running it."""


@dataclass(frozen=True, slots=True)
class Parking:
    """A job to park: with its first attempt, with none while it waits for a route, or with its verdict."""

    job: Job
    sealed: str
    opening: Opening | None = None
    verdict: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        assert self.opening is None or self.verdict is None, "a job begins or ends"


# The unique job id decides; attempts are opened only for rows that this statement inserted. A job whose verdict
# is known at once never has its body written.
_PARK = """
with given as materialized (
    select distinct on (job_id) * from json_to_recordset(%(items)s::json) as g (
        job_id uuid, account_id uuid, model text, kind text, mode text, outputs int, parameters jsonb, epoch text,
        sealed text, deadline_at timestamptz, synchronous bool, livemode bool, replica text, lossy text[],
        failover bool, verdict jsonb,
        provider text, upstream_model text, asked int)
), parked as (
    insert into jobs (job_id, account_id, model, kind, mode, outputs, parameters, epoch, sealed, deadline_at,
        synchronous, livemode, replica, lossy, failover, state, owner_id, verdict, finished_at)
    select job_id, account_id, model, kind, mode, outputs, parameters, epoch,
        sealed, deadline_at, synchronous, livemode, replica, lossy, failover,
        (case when verdict is null then 'parked' else 'failed' end)::job_state, %(owner)s, verdict,
        case when verdict is not null then clock_timestamp() end
    from given order by job_id
    on conflict (job_id) do nothing
    returning job_id
), opened as (
    insert into attempts (job_id, attempt_no, provider, upstream_model, outputs, first_index)
    select g.job_id, 1, g.provider, g.upstream_model, g.asked, 0
    from given g join parked using (job_id) where g.provider is not null
)
select g.job_id, p.job_id is not null as fresh,
    coalesce(j.owner_id = %(owner)s and j.finished_at is null, false) as ours
from given g left join parked p using (job_id) left join jobs j on j.job_id = g.job_id
"""


_JOB_COLUMNS = (
    "job_id",
    "account_id",
    "model",
    "kind",
    "mode",
    "outputs",
    "parameters",
    "epoch",
    "deadline_at",
    "synchronous",
    "livemode",
    "replica",
    "lossy",
    "failover",
)


class ParkingLot:
    """Parks jobs for one owner."""

    def __init__(self, database: Database, owner_id: UUID) -> None:
        self._database = database
        self._owner_id = owner_id

    async def park(self, items: list[Parking]) -> list[Parked]:
        """Park many jobs in one commit; of two with the same id in one batch, the first is the fresh one."""
        given = as_records(_given(item) for item in items)
        rows = await self._database.fetch(_PARK, {"owner": self._owner_id, "items": given})
        found = {row["job_id"]: row for row in rows}
        seen: set[UUID] = set()
        answers: list[Parked] = []
        for item in items:
            job_id = item.job.job_id
            row = found[job_id]
            if job_id in seen:
                answers.append(Parked.KNOWN)
            elif row["fresh"]:
                answers.append(Parked.FRESH)
            else:
                answers.append(Parked.OURS if row["ours"] else Parked.KNOWN)
            seen.add(job_id)
        return answers


def _given(item: Parking) -> dict[str, Any]:
    given = {name: getattr(item.job, name) for name in _JOB_COLUMNS}
    given |= {"sealed": item.sealed if item.verdict is None else None, "verdict": item.verdict}
    if item.opening is not None:
        opening = item.opening
        given |= {"provider": opening.provider, "upstream_model": opening.upstream_model, "asked": opening.outputs}
    return given
