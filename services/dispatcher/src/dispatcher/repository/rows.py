"""Values on their way into and out of rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.database import Row
from dispatcher.domain.jobs import Job


@dataclass(frozen=True, slots=True)
class Opening:
    """An attempt about to be made: its row is committed before the upstream is called."""

    attempt_no: int
    provider: str
    upstream_model: str
    outputs: int
    first_index: int


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt as it stands in its row."""

    attempt_no: int
    provider: str
    upstream_model: str
    outputs: int
    first_index: int
    state: str
    reference: dict[str, str] | None
    failure_class: str | None
    failure_code: str | None
    accepted_at: datetime | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job that now belongs to this process, and all that was tried for it."""

    job: Job
    generation: int
    produced: list[dict[str, Any]]
    attempts: tuple[AttemptRow, ...]


def as_job(row: Row) -> Job:
    """The job of a row of ``jobs``."""
    return Job(
        job_id=row["job_id"],
        account_id=row["account_id"],
        model=row["model"],
        kind=row["kind"],
        mode=row["mode"],
        outputs=row["outputs"],
        parameters=row["parameters"],
        epoch=row["epoch"],
        deadline_at=row["deadline_at"],
        synchronous=row["synchronous"],
        livemode=row["livemode"],
        replica=row["replica"],
        lossy=tuple(row["lossy"]),
        failover=row["failover"],
    )


def as_attempt(row: Row) -> tuple[UUID, AttemptRow]:
    """The attempt of a row of ``attempts``, with its job's id."""
    return row["job_id"], AttemptRow(
        attempt_no=row["attempt_no"],
        provider=row["provider"],
        upstream_model=row["upstream_model"],
        outputs=row["outputs"],
        first_index=row["first_index"],
        state=row["state"],
        reference=row["reference"],
        failure_class=row["failure_class"],
        failure_code=row["failure_code"],
        accepted_at=row["accepted_at"],
        started_at=row["started_at"],
    )
