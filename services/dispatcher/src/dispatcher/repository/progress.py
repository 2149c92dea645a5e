"""What happens to a running job: attempts end and begin, one is accepted, the verdict falls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from common.database import Database
from common.records import as_records
from dispatcher.repository.rows import Opening


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ended. A failure has a class and a code, a success neither; the cost is the provider's word."""

    attempt_no: int
    failure_class: str | None = None
    failure_code: str | None = None
    cost_microusd: int | None = None

    @property
    def state(self) -> str:
        """The attempt's final state."""
        return "failed" if self.failure_class else "succeeded"


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt ends, outputs are noted, the next attempt begins: one commit."""

    job_id: UUID
    generation: int
    ending: Ending | None = None
    opening: Opening | None = None
    produced: Sequence[dict[str, Any]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An asynchronous upstream took the order."""

    job_id: UUID
    generation: int
    attempt_no: int
    upstream_id: str
    reference: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finish:
    """The verdict. Attempts that are still open are abandoned, except the one that ends here."""

    job_id: UUID
    generation: int
    verdict: dict[str, Any]
    done: bool
    ending: Ending | None = None


# `mine` locks the job rows in id order: it reads the newest owner and generation, no two batches dead-lock, and a
# job that was taken over in between is not in it. Everything else hangs on it. A repeat after a lost answer finds
# its own rows and says yes again. LATERAL looks each row up by its key: ordered as one join, the planner walks the
# whole index for the sake of the order.
_MINE = """
mine as materialized (
    select j.job_id, j.state from (select job_id, generation from given order by job_id) g
    cross join lateral (
        select job_id, state from jobs
        where job_id = g.job_id and owner_id = %(owner)s and generation = g.generation
        for no key update
    ) j
)"""

_STEP = f"""
with given as materialized (
    select * from json_to_recordset(%(items)s::json) as g (
        job_id uuid, generation int, ended int, state text, class text, code text, cost bigint, opened int,
        provider text, upstream_model text, asked int, first_index int, produced jsonb)
), {_MINE}, closed as (
    update attempts a set state = g.state::attempt_state, failure_class = g.class, failure_code = g.code,
        cost_microusd = g.cost, finished_at = clock_timestamp()
    from given g join mine using (job_id)
    where a.job_id = g.job_id and a.attempt_no = g.ended and a.state in ('submitting', 'accepted')
), opened as (
    insert into attempts (job_id, attempt_no, provider, upstream_model, outputs, first_index)
    select g.job_id, g.opened, g.provider, g.upstream_model, g.asked, g.first_index
    from given g join mine m using (job_id) where g.opened is not null and m.state in ('parked', 'running')
    on conflict (job_id, attempt_no) do nothing
), noted as (
    update jobs j set state = 'running', produced = coalesce(g.produced, j.produced)
    from given g join mine m using (job_id)
    where j.job_id = g.job_id and (m.state = 'parked' or (m.state = 'running' and g.produced is not null))
)
select job_id from mine where state in ('parked', 'running')
"""  # noqa: S608 - constants

_ACCEPT = f"""
with given as materialized (
    select * from json_to_recordset(%(items)s::json) as g (
        job_id uuid, generation int, attempt_no int, upstream_id text, reference jsonb)
), {_MINE}, accepted as (
    update attempts a set state = 'accepted', upstream_id = g.upstream_id, reference = g.reference,
        accepted_at = clock_timestamp()
    from given g join mine using (job_id)
    where a.job_id = g.job_id and a.attempt_no = g.attempt_no and a.state = 'submitting'
), noted as (
    update jobs j set state = 'running' from mine m where j.job_id = m.job_id and m.state = 'parked'
)
select job_id from mine where state in ('parked', 'running')
"""  # noqa: S608 - constants

_FINISH = f"""
with given as materialized (
    select * from json_to_recordset(%(items)s::json) as g (
        job_id uuid, generation int, final text, verdict jsonb, ended int, state text, class text, code text,
        cost bigint)
), {_MINE}, closed as (
    update attempts a set finished_at = clock_timestamp(),
        state = (case when a.attempt_no = g.ended then g.state else 'abandoned' end)::attempt_state,
        failure_class = case when a.attempt_no = g.ended then g.class end,
        failure_code = case when a.attempt_no = g.ended then g.code end,
        cost_microusd = case when a.attempt_no = g.ended then g.cost end
    from given g join mine m using (job_id)
    where a.job_id = g.job_id and a.state in ('submitting', 'accepted') and m.state in ('parked', 'running')
), finished as (
    update jobs j set state = g.final::job_state, verdict = g.verdict, sealed = null,
        finished_at = clock_timestamp()
    from given g join mine m using (job_id)
    where j.job_id = g.job_id and m.state in ('parked', 'running')
)
select job_id from mine
"""  # noqa: S608 - constants


class Progress:
    """Writes the progress of one owner's jobs. Each answer is False where the job is no longer this owner's."""

    def __init__(self, database: Database, owner_id: UUID) -> None:
        self._database = database
        self._owner_id = owner_id

    async def step(self, items: list[Step]) -> list[bool]:
        """End and begin attempts. One item per job and batch."""
        given = []
        for item in items:
            one = {**_fence(item), **_ended(item.ending), "produced": list(item.produced) or None}
            if item.opening is not None:
                one |= {
                    "opened": item.opening.attempt_no,
                    "provider": item.opening.provider,
                    "upstream_model": item.opening.upstream_model,
                    "asked": item.opening.outputs,
                    "first_index": item.opening.first_index,
                }
            given.append(one)
        return await self._write(_STEP, given)

    async def accept(self, items: list[Acceptance]) -> list[bool]:
        """Record what the upstreams called the orders they took."""
        given = [
            {
                **_fence(item),
                "attempt_no": item.attempt_no,
                "upstream_id": item.upstream_id,
                "reference": item.reference,
            }
            for item in items
        ]
        return await self._write(_ACCEPT, given)

    async def finish(self, items: list[Finish]) -> list[bool]:
        """Record verdicts and drop the bodies."""
        given = [
            {
                **_fence(item),
                **_ended(item.ending),
                "final": "done" if item.done else "failed",
                "verdict": item.verdict,
            }
            for item in items
        ]
        return await self._write(_FINISH, given)

    async def _write(self, sql: str, given: list[dict[str, Any]]) -> list[bool]:
        rows = await self._database.fetch(sql, {"owner": self._owner_id, "items": as_records(given)})
        mine = {row["job_id"] for row in rows}
        return [one["job_id"] in mine for one in given]


def _fence(item: Step | Acceptance | Finish) -> dict[str, Any]:
    return {"job_id": item.job_id, "generation": item.generation}


def _ended(ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        return {}
    return {
        "ended": ending.attempt_no,
        "state": ending.state,
        "class": ending.failure_class,
        "code": ending.failure_code,
        "cost": ending.cost_microusd,
    }
