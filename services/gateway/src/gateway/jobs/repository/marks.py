"""Marks on rows that no decision rests on at once: delivered, or nobody waits any more."""

from collections.abc import Sequence
from uuid import UUID

from common.database import Database

_DELIVERED = """
update jobs set delivered_at = clock_timestamp(), waiter = null
where job_id = any(%(ids)s::uuid[]) and delivered_at is null
"""

# Somebody else may have adopted the job meanwhile: only our own wait is given up.
_RELEASED = """
update jobs set waiter = null where job_id = any(%(ids)s::uuid[]) and waiter = %(waiter)s and delivered_at is null
"""


class MarkRows:
    """Batched marks of one process incarnation."""

    def __init__(self, database: Database, incarnation: int) -> None:
        self._database = database
        self._incarnation = incarnation

    async def delivered(self, job_ids: Sequence[UUID]) -> None:
        """Their answers have been sent completely."""
        await self._database.execute(_DELIVERED, {"ids": list(job_ids)})

    async def released(self, job_ids: Sequence[UUID]) -> None:
        """Their clients went away before an answer; a repeat may adopt them."""
        await self._database.execute(_RELEASED, {"ids": list(job_ids), "waiter": self._incarnation})
