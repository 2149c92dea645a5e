"""Results on their way out, and rows on theirs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from common.database import Database

# Locked in id order first: the sweeper of another replica may be marking the same rows.
_MARK = """
with mine as (
    select job_id from jobs where job_id = any(%(ids)s::uuid[]) and published_at is null
    order by job_id for no key update
)
update jobs j set published_at = clock_timestamp() from mine where j.job_id = mine.job_id
"""
_UNMARKED = """
select job_id, verdict from jobs
where finished_at < clock_timestamp() - %(older_s)s * interval '1 second' and published_at is null
order by finished_at limit %(limit)s
"""
# A redelivery after this is past its job's deadline and is failed without a call, so the row guards nothing more.
_PRUNE = """
delete from jobs where job_id in (
    select job_id from jobs
    where parked_at < clock_timestamp() - %(days)s * interval '1 day' and published_at is not null
    limit %(limit)s
)
"""
_PRUNE_OWNERS = "delete from owners where lease_until < clock_timestamp() - interval '1 day'"
_INVARIANTS = """
select
    (select count(*) from jobs where published_at is null
        and finished_at < clock_timestamp() - interval '30 seconds') as unpublished_results,
    (select count(*) from jobs where state in ('parked', 'running')
        and deadline_at < clock_timestamp() - %(slack_s)s * interval '1 second') as overdue_jobs
"""


_CHECK_S = 30.0
"""For looking through whole tables; an ordinary statement is given less."""


class Results:
    """Verdicts that were committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, job_ids: list[UUID]) -> list[None]:
        """Their messages are confirmed by the broker."""
        await self._database.execute(_MARK, {"ids": job_ids})
        return [None] * len(job_ids)

    async def unmarked(self, older_s: float, limit: int) -> Sequence[tuple[UUID, dict[str, Any]]]:
        """Verdicts that were committed a while ago and perhaps never published."""
        rows = await self._database.fetch(_UNMARKED, {"older_s": older_s, "limit": limit})
        return [(row["job_id"], row["verdict"]) for row in rows]

    async def prune(self, days: float, limit: int) -> int:
        """Forget published jobs of long ago; how many."""
        await self._database.execute(_PRUNE_OWNERS)
        return await self._database.execute(_PRUNE, {"days": days, "limit": limit})

    async def violations(self, slack_s: float) -> dict[str, int]:
        """How many rows break each invariant."""
        (row,) = await self._database.survey(_INVARIANTS, {"slack_s": slack_s}, limit_s=_CHECK_S)
        return dict(row)
