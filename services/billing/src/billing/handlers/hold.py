"""Hold the price of a job, once, and say so."""

from billing.domain.reservation import Hold, Impossible, Reservation
from billing.handlers.answers import rejected, settled
from billing.repository.holds import Holds
from common import telemetry
from common.coalescer import Coalescer
from common.contracts import JobRejected, JobReserved, JobSettled, JobSubmitted
from common.failpoints import reach
from common.messaging import CannotWork

answered = telemetry.counter("billing_holds", "Answers to submitted jobs.", ("answer",))


class HoldPrice:
    """Answers ``job.submitted``: held, refused, or, when it comes again, whatever has become of it."""

    def __init__(self, holds: Holds) -> None:
        self._take: Coalescer[Hold, Reservation] = Coalescer("holds", holds.take)

    async def __call__(self, event: JobSubmitted) -> JobReserved | JobRejected | JobSettled:
        """The one answer this job gets.

        Raises:
            CannotWork: the request contradicts itself, or its job belongs to another account.
        """
        reach("B1")
        try:
            request = Hold(
                job_id=event.job_id,
                account_id=event.account_id,
                sku=event.sku,
                quantity=event.quantity,
                outputs=event.outputs,
                deadline_ms=event.deadline_ms,
                accept_by=event.accept_by,
                synchronous=event.synchronous,
                livemode=event.livemode,
                replica=event.replica,
            )
        except Impossible as error:
            raise CannotWork(str(error)) from None
        reservation = await self._take(request)
        reach("B3")
        if reservation.account_id != event.account_id:
            raise CannotWork("the job belongs to another account")
        answered.inc(reservation.error_code or reservation.state)
        match reservation.state:
            case "held":
                return _reserved(event, reservation)
            case "refused":
                return rejected(reservation)
            case _:
                # Over before this delivery was worked: to dispatch it now would be a call nobody pays for.
                return settled(reservation)


def _reserved(event: JobSubmitted, reservation: Reservation) -> JobReserved:
    assert reservation.deadline_at is not None
    assert reservation.price_version is not None
    return JobReserved(
        job_id=event.job_id,
        account_id=event.account_id,
        model=event.model,
        kind=event.kind,
        mode=event.mode,
        outputs=event.outputs,
        parameters=event.parameters,
        epoch=event.epoch,
        sealed=event.sealed,
        price_microusd=reservation.amount_microusd,
        price_version=reservation.price_version,
        held_at=reservation.decided_at,
        deadline_at=reservation.deadline_at,
        synchronous=event.synchronous,
        livemode=event.livemode,
        replica=event.replica,
    )
