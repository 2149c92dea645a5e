"""All SQL of storage."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from common.coalescer import Coalescer
from common.contracts import StoredOutput
from common.database import Database, Row
from common.records import as_records
from storage.domain.media import Gone, Kept

Decided = dict[int, StoredOutput | Gone]
"""What is known of a job's outputs, by index."""

_CHECK_S = 120.0
_COLUMNS = "job_id, idx, state, key, media_type, bytes, sha256, expires_at, gone"


@dataclass(frozen=True, slots=True)
class Asset:
    """One output to be indexed: where it lies, or why it could not be had."""

    job_id: UUID
    account_id: UUID
    index: int
    kept: Kept | Gone


class Assets:
    """The index of what is in our bucket and until when. The database's clock stamps every end and judges it."""

    def __init__(self, database: Database, *, ttl_s: int) -> None:
        self._database = database
        self._ttl_s = ttl_s
        self._add = Coalescer("assets", self._add_batch)

    async def of_job(self, job_id: UUID) -> Decided:
        """What is decided about a job's outputs so far."""
        return _decided(await self._of_jobs([job_id]))

    async def add(self, assets: Sequence[Asset]) -> Decided:
        """Index outputs of one job; what an earlier delivery indexed stands. All that is decided about the job."""
        return await self._add(tuple(assets))

    async def due(self, limit: int, *, without: Sequence[str] = ()) -> Sequence[str]:
        """Keys of objects past their time that have not been deleted, but for these."""
        rows = await self._database.fetch(
            """
            select key from assets
            where state = 'stored' and deleted_at is null and expires_at <= now()
                and key <> all(%(without)s)
            order by expires_at limit %(limit)s
            """,
            {"limit": limit, "without": list(without)},
        )
        return [row["key"] for row in rows]

    async def mark_deleted(self, keys: Sequence[str]) -> int:
        """Note that these objects are gone; how many were not noted before."""
        # In key order, so that two sweepers with the same batch never wait for each other in a circle.
        return await self._database.execute(
            """
            with gone as (
                select job_id, idx from assets where key = any(%(keys)s) and deleted_at is null
                order by key for update
            )
            update assets a set deleted_at = now() from gone g where (a.job_id, a.idx) = (g.job_id, g.idx)
            """,
            {"keys": list(keys)},
        )

    async def overdue(self, seconds: float) -> int:
        """How many objects outlive their time by more than ``seconds`` (invariant E4)."""
        rows = await self._database.survey(
            """
            select count(*) as n from assets
            where state = 'stored' and deleted_at is null and expires_at < now() - make_interval(secs => %(s)s)
            """,
            {"s": seconds},
            limit_s=_CHECK_S,
        )
        return int(rows[0]["n"])

    async def _add_batch(self, batch: list[tuple[Asset, ...]]) -> list[Decided]:
        # Conflicts are redeliveries: what stands is read back, not assumed. Rows go in by key, so that two deliveries
        # of one job never wait for each other in a circle.
        assets = [asset for job in batch for asset in job]
        rows = await self._database.fetch(
            f"""
            with added as (
                insert into assets
                    (job_id, idx, account_id, state, key, media_type, bytes, sha256, gone, expires_at)
                select job_id, idx, account_id, case when key is null then 'lost' else 'stored' end,
                       key, media_type, bytes, sha256, gone,
                       case when key is not null then now() + make_interval(secs => %(ttl_s)s) end
                from json_to_recordset(%(assets)s::json) as given (job_id uuid, idx int, account_id uuid,
                    key text, media_type text, bytes bigint, sha256 text, gone text)
                order by job_id, idx
                on conflict do nothing
                returning {_COLUMNS}
            )
            select * from added
            union all
            select {_COLUMNS} from assets where job_id = any(%(job_ids)s)
            """,  # noqa: S608 - a constant
            {
                "assets": as_records(map(_given, assets)),
                "job_ids": [asset.job_id for asset in assets],
                "ttl_s": self._ttl_s,
            },
        )
        found = {(row["job_id"], row["idx"]) for row in rows}
        overtaken = {asset.job_id for asset in assets if (asset.job_id, asset.index) not in found}
        if overtaken:
            # A neighbour committed the same rows after this statement's snapshot: they are there by now.
            rows = [row for row in rows if row["job_id"] not in overtaken] + list(await self._of_jobs(overtaken))
        by_job: dict[UUID, list[Row]] = {asset.job_id: [] for asset in assets}
        for row in rows:
            by_job[row["job_id"]].append(row)
        return [_decided(by_job[job[0].job_id]) for job in batch]

    async def _of_jobs(self, job_ids: Iterable[UUID]) -> Sequence[Row]:
        return await self._database.fetch(
            f"select {_COLUMNS} from assets where job_id = any(%(job_ids)s)",  # noqa: S608 - a constant
            {"job_ids": list(job_ids)},
        )


def _given(asset: Asset) -> dict[str, object]:
    """An asset by the columns it gets; what a lost one does not say is null."""
    known = {"gone": asset.kept} if isinstance(asset.kept, Gone) else asdict(asset.kept)
    return {"job_id": asset.job_id, "idx": asset.index, "account_id": asset.account_id, **known}


def _decided(rows: Iterable[Row]) -> Decided:
    return {row["idx"]: _output(row) for row in rows}


def _output(row: Row) -> StoredOutput | Gone:
    if row["state"] == "lost":
        return Gone(row["gone"] or Gone.UNAVAILABLE)  # rows of an older process do not say
    return StoredOutput(
        index=row["idx"],
        key=row["key"],
        media_type=row["media_type"],
        bytes=row["bytes"],
        sha256=row["sha256"],
        expires_at=row["expires_at"],
    )
