"""Who runs what: one lease per process incarnation, and taking the jobs of owners that died."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from common.database import Database
from dispatcher.repository.rows import AttemptRow, TakenJob, as_attempt, as_job

_RENEW = """
insert into owners (owner_id, lease_until) values (%(owner)s, clock_timestamp() + %(lease_s)s * interval '1 second')
on conflict (owner_id) do update set lease_until = excluded.lease_until
"""
_LEAVE = "delete from owners where owner_id = %(owner)s"
_LET_GO = "update jobs set owner_id = null where job_id = %(job_id)s and owner_id = %(owner)s and finished_at is null"

# SKIP LOCKED: two replicas share the work instead of waiting for each other. What another replica took between this
# statement's snapshot and its lock is re-read with its new generation, but with the old row of `owners` beside it: so
# the generation that was seen is part of the condition. The new generation fences the old owner off: should it still
# live, its next conditional write changes nothing.
_TAKE = """
with seen as materialized (
    select j.job_id, j.generation from jobs j left join owners o on o.owner_id = j.owner_id
    where j.state in ('parked', 'running') and j.owner_id is distinct from %(owner)s
        and (o.owner_id is null or (%(expired_too)s and o.lease_until < clock_timestamp()))
), dead as (
    select j.job_id from seen join jobs j on j.job_id = seen.job_id and j.generation = seen.generation
    order by j.job_id limit %(limit)s for no key update of j skip locked
)
update jobs j set owner_id = %(owner)s, generation = j.generation + 1 from dead where j.job_id = dead.job_id
returning j.*
"""
# A job whose deadline has long passed and that nobody ended, whoever owns it: the net under every bug.
_TAKE_OVERDUE = """
with seen as materialized (
    select job_id, generation from jobs where state in ('parked', 'running') and deadline_at < %(before)s
), overdue as (
    select j.job_id from seen join jobs j on j.job_id = seen.job_id and j.generation = seen.generation
    order by j.job_id limit %(limit)s for no key update of j skip locked
)
update jobs j set owner_id = %(owner)s, generation = j.generation + 1 from overdue where j.job_id = overdue.job_id
returning j.*
"""
_ATTEMPTS = "select * from attempts where job_id = any(%(job_ids)s::uuid[]) order by job_id, attempt_no"
_SEALED = "select sealed from jobs where job_id = %(job_id)s and sealed is not null"


class Leases:
    """Leases of one owner."""

    def __init__(self, database: Database, owner_id: UUID, lease_s: float) -> None:
        self._database = database
        self._owner_id = owner_id
        self._lease_s = lease_s

    async def renew(self) -> None:
        """Live for another lease."""
        await self._database.execute(_RENEW, {"owner": self._owner_id, "lease_s": self._lease_s})

    async def leave(self) -> None:
        """Give everything back at once."""
        await self._database.execute(_LEAVE, {"owner": self._owner_id})

    async def let_go(self, job_id: UUID) -> None:
        """Give one job back: whoever finds it may take it."""
        await self._database.execute(_LET_GO, {"owner": self._owner_id, "job_id": job_id})

    async def take(self, limit: int, *, expired_too: bool) -> list[TakenJob]:
        """Jobs of owners that left, with ``expired_too`` also of those whose lease ran out."""
        return await self._taken(_TAKE, {"limit": limit, "expired_too": expired_too})

    async def take_overdue(self, before: datetime, limit: int) -> list[TakenJob]:
        """Jobs whose deadline was before that moment."""
        return await self._taken(_TAKE_OVERDUE, {"limit": limit, "before": before})

    async def sealed(self, job_id: UUID) -> str | None:
        """A job's sealed request; None once it is final."""
        rows = await self._database.fetch(_SEALED, {"job_id": job_id})
        return rows[0]["sealed"] if rows else None

    async def _taken(self, sql: str, params: dict[str, object]) -> list[TakenJob]:
        jobs = await self._database.fetch(sql, {"owner": self._owner_id, **params})
        if not jobs:
            return []
        attempts: dict[UUID, list[AttemptRow]] = defaultdict(list)
        for row in await self._database.fetch(_ATTEMPTS, {"job_ids": [job["job_id"] for job in jobs]}):
            job_id, attempt = as_attempt(row)
            attempts[job_id].append(attempt)
        return [
            TakenJob(as_job(job), job["generation"], job["produced"], tuple(attempts[job["job_id"]])) for job in jobs
        ]
