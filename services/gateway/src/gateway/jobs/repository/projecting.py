"""Writing what billing said. Every statement is conditional, so a repeat or a late message changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.coalescer import Coalescer
from common.contracts import JobRejected, JobReserved, JobSettled
from common.database import Database, Row
from common.records import as_records
from gateway.domain.job import Job
from gateway.jobs.repository.rows import COLUMNS, to_job

_READ = f"select {COLUMNS} from jobs j where j.job_id = any(%(ids)s::uuid[])"  # noqa: S608 - constants

_RESERVED = f"""
update jobs j set state = 'processing', reserved_microusd = r.price_microusd, deadline_at = r.deadline_at,
    ask_at = r.ask_at
from json_to_recordset(%(rows)s::json) as r(job_id uuid, price_microusd bigint, deadline_at timestamptz,
    ask_at timestamptz)
where j.job_id = r.job_id and j.state = 'submitted'
returning {COLUMNS}
"""  # noqa: S608

# Nothing was held, so the idempotency key is free for another try.
_REJECTED = f"""
update jobs j set state = 'failed', error_code = r.error_code, error_message = r.error_message,
    finished_at = r.finished_at, idempotency_hash = null
from json_to_recordset(%(rows)s::json) as r(job_id uuid, error_code text, error_message text,
    finished_at timestamptz)
where j.job_id = r.job_id and j.state = 'submitted'
returning {COLUMNS}
"""  # noqa: S608

_SETTLED = f"""
update jobs j set state = r.status, reserved_microusd = r.reserved, charged_microusd = r.charged,
    refunded_microusd = r.refunded, outputs = coalesce(r.outputs, '[]'), error_code = r.error_code,
    error_message = r.error_message, finished_at = r.finished_at, expires_at = r.expires_at
from json_to_recordset(%(rows)s::json) as r(job_id uuid, status text, reserved bigint, charged bigint,
    refunded bigint, outputs jsonb, error_code text, error_message text, finished_at timestamptz,
    expires_at timestamptz)
where j.job_id = r.job_id and j.state in ('submitted', 'processing')
returning {COLUMNS}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Projected:
    """The row after a message: ``changed`` False when it said so already; ``job`` None when we know no such job."""

    job: Job | None
    changed: bool


class ProjectionRows:
    """Group commit of decisions and verdicts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reserved: Coalescer[tuple[JobReserved, datetime], Projected] = Coalescer(
            "jobs.reserved", self._reserved_many
        )
        """A hold is committed; the second part is when to ask billing what became of it."""
        self.rejected: Coalescer[tuple[JobRejected, datetime], Projected] = Coalescer(
            "jobs.rejected", self._rejected_many
        )
        """Nothing was held; the second part is now."""
        self.settled: Coalescer[JobSettled, Projected] = Coalescer("jobs.settled", self._settled_many)
        """Captured or refunded."""

    async def _reserved_many(self, items: list[tuple[JobReserved, datetime]]) -> list[Projected]:
        rows = [
            {
                "job_id": event.job_id,
                "price_microusd": event.price_microusd,
                "deadline_at": event.deadline_at,
                "ask_at": ask_at,
            }
            for event, ask_at in items
        ]
        return await self._apply(_RESERVED, rows)

    async def _rejected_many(self, items: list[tuple[JobRejected, datetime]]) -> list[Projected]:
        rows = [
            {
                "job_id": event.job_id,
                "error_code": event.error.code,
                "error_message": event.error.message,
                "finished_at": now,
            }
            for event, now in items
        ]
        return await self._apply(_REJECTED, rows)

    async def _settled_many(self, items: list[JobSettled]) -> list[Projected]:
        return await self._apply(_SETTLED, [_verdict(event) for event in items])

    async def _apply(self, sql: str, rows: list[dict[str, Any]]) -> list[Projected]:
        changed = await self._by_id(sql, {"rows": as_records(rows)})
        missing = [row["job_id"] for row in rows if row["job_id"] not in changed]
        unchanged = await self._by_id(_READ, {"ids": missing}) if missing else {}
        return [
            Projected(changed.get(row["job_id"]) or unchanged.get(row["job_id"]), row["job_id"] in changed)
            for row in rows
        ]

    async def _by_id(self, sql: str, params: dict[str, Any]) -> dict[UUID, Job]:
        found: Sequence[Row] = await self._database.fetch(sql, params)
        return {row["job_id"]: to_job(row) for row in found}


def _verdict(event: JobSettled) -> dict[str, Any]:
    outputs = [
        {"index": one.index, "key": one.key, "media_type": one.media_type, "expires_at": one.expires_at}
        for one in event.outputs
    ]
    return {
        "job_id": event.job_id,
        "status": event.status,
        "reserved": event.credits.reserved_microusd,
        "charged": event.credits.charged_microusd,
        "refunded": event.credits.refunded_microusd,
        "outputs": outputs,
        "error_code": event.error.code if event.error else None,
        "error_message": event.error.message if event.error else None,
        "finished_at": event.settled_at,
        "expires_at": min((one.expires_at for one in event.outputs), default=None),
    }
