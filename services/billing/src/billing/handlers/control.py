"""Jobs the gateway asks to be ended, or asks about because it heard nothing."""

from dataclasses import replace

from billing.domain.reservation import Reservation, Verdict
from billing.handlers.answers import rejected, settled
from billing.handlers.settle import Settle, refund
from billing.repository.reservations import Reservations
from common.contracts import JobCancel, JobOverdue, JobRejected, JobSettled
from common.failpoints import reach
from common.messaging import TryLater

MAX_ATTEMPTS = 3


class Control:
    """Answers ``job.cancel`` and ``job.overdue``, whatever has happened."""

    def __init__(self, settle: Settle, reservations: Reservations) -> None:
        self._settle = settle
        self._reservations = reservations

    async def cancel(self, event: JobCancel) -> JobRejected | JobSettled | None:
        """Refund what is held; a job that was never seen is refused for good; what is over stays as it is."""
        reach("B1")
        verdict = refund(event.job_id, event.account_id, "cancelled")
        return await self._end(event, verdict, tombstone="cancelled")

    async def overdue(self, event: JobOverdue) -> JobRejected | JobSettled | None:
        """As a cancel, except that a hold which has not expired goes on and needs no answer.

        Its ``job.reserved`` is not repeated: only ``job.submitted`` carries the sealed request, and it is in the
        queue until ``job.reserved`` is confirmed.
        """
        reach("B1")
        verdict = replace(refund(event.job_id, event.account_id, "deadline_exceeded"), only_if_expired=True)
        return await self._end(event, verdict, tombstone="accept_expired")

    async def _end(
        self, event: JobCancel | JobOverdue, verdict: Verdict, *, tombstone: str
    ) -> JobRejected | JobSettled | None:
        reservation = await self._resolve_or_bury(event, verdict, tombstone)
        match reservation.state:
            case "held":
                return None
            case "refused":
                return rejected(reservation)
            case _:
                return settled(reservation)

    async def _resolve_or_bury(self, event: JobCancel | JobOverdue, verdict: Verdict, tombstone: str) -> Reservation:
        for _ in range(MAX_ATTEMPTS):
            reservation = await self._settle.resolve(verdict)
            if reservation is None:
                reservation = await self._reservations.bury(
                    event.job_id,
                    event.account_id,
                    tombstone,
                    synchronous=event.synchronous,
                    replica=event.replica,
                )
            if reservation is not None:
                reach("B3")
                return reservation
            # Held between the two looks: settle that.
        raise TryLater("a reservation appeared and vanished")
