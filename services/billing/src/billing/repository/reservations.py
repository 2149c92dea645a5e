"""Reading reservations, and the tombstones that keep a job from ever being held."""

from collections.abc import Sequence
from uuid import UUID

from billing.domain.reservation import Reservation
from common.database import Database, Row

COLUMNS = """job_id, account_id, state, price_version, amount_microusd, charged_microusd, refunded_microusd,
    synchronous, replica, decided_at, deadline_at, settled_at, error_code, error_message, delivered"""

_READ = f"select {COLUMNS} from reservations where job_id = any(%(job_ids)s::uuid[])"  # noqa: S608 - constants

# The account is locked first, as a hold does, so that the two wait for one another in one order; which of them
# comes first is decided by the unique index.
_BURY = f"""
with wallet as materialized (
    select account_id from accounts where account_id = %(account_id)s for update
)
insert into reservations (job_id, account_id, state, amount_microusd, synchronous, replica, decided_at, error_code)
select %(job_id)s, %(account_id)s, 'refused', 0, %(synchronous)s, %(replica)s, clock_timestamp(), %(code)s
from (select count(*) from wallet) locked
on conflict (job_id) do nothing
returning {COLUMNS}
"""  # noqa: S608 - constants

_EXPIRED = """
select job_id, account_id from reservations
where settled_at is null and expires_at is not null and expires_at <= clock_timestamp()
order by expires_at limit %(limit)s
"""

_UNPUBLISHED = f"""
select {COLUMNS} from reservations
where publish_due_at < clock_timestamp() - make_interval(secs => %(older_than_s)s)
order by publish_due_at limit %(limit)s
"""  # noqa: S608 - constants

_PUBLISHED = "update reservations set publish_due_at = null where job_id = any(%(job_ids)s::uuid[])"


def as_reservation(row: Row) -> Reservation:
    """The value of a row that has COLUMNS."""
    return Reservation(**row)


class Reservations:
    """The rows that decide about jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, job_ids: Sequence[UUID]) -> dict[UUID, Reservation]:
        """The reservations there are for these jobs."""
        rows = await self._database.fetch(_READ, {"job_ids": list(job_ids)})
        return {row["job_id"]: as_reservation(row) for row in rows}

    async def bury(
        self, job_id: UUID, account_id: UUID, code: str, *, synchronous: bool, replica: str
    ) -> Reservation | None:
        """Refuse a job that has no reservation, so that a late request finds it refused; None: it has one."""
        rows = await self._database.fetch(
            _BURY,
            {
                "job_id": job_id,
                "account_id": account_id,
                "code": code,
                "synchronous": synchronous,
                "replica": replica,
            },
        )
        return as_reservation(rows[0]) if rows else None

    async def expired(self, limit: int) -> list[tuple[UUID, UUID]]:
        """Jobs (and their accounts) still held past their expiry, oldest first."""
        return [(row["job_id"], row["account_id"]) for row in await self._database.fetch(_EXPIRED, {"limit": limit})]

    async def unpublished(self, older_than_s: float, limit: int) -> list[Reservation]:
        """Settlements made by the timer whose message may never have left, oldest first."""
        rows = await self._database.fetch(_UNPUBLISHED, {"older_than_s": older_than_s, "limit": limit})
        return [as_reservation(row) for row in rows]

    async def mark_published(self, job_ids: Sequence[UUID]) -> None:
        """Their messages are confirmed."""
        await self._database.execute(_PUBLISHED, {"job_ids": list(job_ids)})
