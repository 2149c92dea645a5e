"""What time must finish: holds nobody settled are given back, and the verdict is published until it is confirmed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from billing.domain.reservation import Reservation
from billing.handlers.answers import settled
from billing.handlers.settle import Settle, refund
from billing.repository.reservations import Reservations
from common import telemetry
from common.contracts import Message
from common.failpoints import reach
from common.messaging import CannotReach

BATCH = 200
MAX_BATCHES = 50
REPUBLISH_AFTER_S = 5.0

Publish = Callable[[Message], Awaitable[None]]

log = telemetry.logger(__name__)
expired = telemetry.counter("billing_holds_expired", "Holds given back because no result came in time.")


class Sweeper:
    """Expires holds. Several replicas may sweep at once: the first verdict counts, a message may go twice."""

    def __init__(
        self,
        settle: Settle,
        reservations: Reservations,
        publish: Publish,
        *,
        republish_after_s: float = REPUBLISH_AFTER_S,
    ) -> None:
        self._settle = settle
        self._reservations = reservations
        self._publish = publish
        self._republish_after_s = republish_after_s

    async def sweep(self) -> int:
        """Refund what has expired and publish it, also what an earlier sweep could not; how many were expired."""
        unpublished = await self._reservations.unpublished(self._republish_after_s, BATCH)
        await asyncio.gather(*(self._announce(reservation) for reservation in unpublished))
        count = 0
        for _ in range(MAX_BATCHES):
            jobs = await self._reservations.expired(BATCH)
            ended = await asyncio.gather(*(self._expire(job_id, account_id) for job_id, account_id in jobs))
            count += sum(ended)
            if len(jobs) < BATCH:
                break
        if count:
            expired.inc(by=count)
            log.warning("holds_expired", count=count)
        return count

    async def _expire(self, job_id: UUID, account_id: UUID) -> bool:
        verdict = refund(job_id, account_id, "deadline_exceeded")
        ended = await self._settle.resolve(replace(verdict, only_if_expired=True, announced_later=True))
        reach("B7")
        if ended is None or ended.state != "refunded":
            return False
        await self._announce(ended)
        return True

    async def _announce(self, reservation: Reservation) -> None:
        try:
            await self._publish(settled(reservation))
        except CannotReach:
            # The mark stays; the next sweep says it again.
            log.warning("verdict_not_published", job_id=reservation.job_id.hex)
            return
        reach("B4")
        await self._reservations.mark_published([reservation.job_id])
