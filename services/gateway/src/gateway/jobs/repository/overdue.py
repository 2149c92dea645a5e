"""Finding jobs about which billing has been silent for too long."""

from dataclasses import dataclass
from uuid import UUID

from common.database import Database

# Taking a row moves its next asking on, so replicas do not ask twice and a silent billing is not flooded:
# one, two, four, eight, then ten minutes apart.
_TAKE = """
update jobs j set asks = least(j.asks + 1, 100),
    ask_at = clock_timestamp() + least(interval '1 minute' * power(2, least(j.asks, 8)), interval '10 minutes')
where j.job_id in (
    select d.job_id from jobs d
    where d.state in ('submitted', 'processing') and d.ask_at <= clock_timestamp()
    order by d.ask_at
    limit %(limit)s
    for update skip locked)
returning j.job_id, j.account_id, j.synchronous, j.replica
"""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A job to ask about."""

    job_id: UUID
    account_id: UUID
    synchronous: bool
    replica: str


class OverdueRows:
    """Hands out each overdue job once per asking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, limit: int) -> list[Overdue]:
        """At most ``limit`` jobs whose time to ask has come."""
        return [Overdue(**row) for row in await self._database.fetch(_TAKE, {"limit": limit})]
