"""Reading jobs for whoever asks."""

from collections.abc import Sequence
from uuid import UUID

from common.coalescer import Coalescer
from common.database import Database
from gateway.domain.job import Job
from gateway.jobs.repository.rows import COLUMNS, to_job

_READ = f"select {COLUMNS} from jobs j where j.job_id = any(%(ids)s::uuid[])"  # noqa: S608 - constants

# Of jobs that are still undecided nothing new can be said, so they are not read.
_CHANGED = f"{_READ} and j.state <> 'submitted'"

_VIDEOS = f"""
select {COLUMNS} from jobs j
where j.kind = 'video' and j.account_id = %(account)s and j.livemode = %(livemode)s
  and j.state <> 'abandoned' and not (j.state = 'failed' and j.reserved_microusd is null)
  and (%(after)s::uuid is null or j.job_id {{compare}} %(after)s::uuid)
order by j.job_id {{order}} limit %(limit)s
"""  # noqa: S608


class JobRows:
    """Read access to the projection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.read: Coalescer[UUID, Job | None] = Coalescer("jobs.read", self._read_many)
        """One job, with whoever else asks at this moment; None when there is none."""

    async def changed(self, job_ids: Sequence[UUID]) -> list[Job]:
        """Those of these jobs about which there is something to say."""
        return [to_job(row) for row in await self._database.fetch(_CHANGED, {"ids": list(job_ids)})]

    async def videos(
        self, account_id: UUID, *, livemode: bool, after: UUID | None, limit: int, newest_first: bool
    ) -> list[Job]:
        """A page of an account's videos; ids are time-ordered, so they are the cursor."""
        sql = _VIDEOS.format(
            compare="<" if newest_first else ">",
            order="desc" if newest_first else "asc",
        )
        params = {"account": account_id, "livemode": livemode, "after": after, "limit": limit}
        return [to_job(row) for row in await self._database.fetch(sql, params)]

    async def _read_many(self, job_ids: list[UUID]) -> list[Job | None]:
        rows = await self._database.fetch(_READ, {"ids": list(set(job_ids))})
        jobs = {row["job_id"]: to_job(row) for row in rows}
        return [jobs.get(job_id) for job_id in job_ids]
