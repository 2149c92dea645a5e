"""Hold the price of a job, once, and say so."""

from dataclasses import dataclass

from billing.domain.quotes import InvalidQuote, Quotes
from billing.domain.reservation import SINCE_EVER, Hold, Impossible, Reservation
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

    def __init__(self, holds: Holds, quotes: Quotes) -> None:
        self._take: Coalescer[Hold, Reservation] = Coalescer("holds", holds.take)
        self._quotes = quotes

    async def __call__(self, event: JobSubmitted) -> JobReserved | JobRejected | JobSettled:
        """The one answer this job gets.

        Raises:
            CannotWork: the request contradicts itself, or its job belongs to another account.
        """
        reach("B1")
        promised = self._promised(event)
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
                opened_at=event.account_opened_at or SINCE_EVER,
                quoted_version=promised.version,
                max_microusd=promised.max_microusd,
                refusal=promised.refusal,
                api_key_id=event.api_key_id,
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

    def _promised(self, event: JobSubmitted) -> "_Promised":
        if event.quote_id is None:
            return _Promised(max_microusd=event.max_microusd)
        try:
            quote = self._quotes.read(event.quote_id)
        except InvalidQuote:
            return _Promised(refusal="invalid_quote")
        if (quote.account_id, quote.sku, quote.quantity) != (event.account_id, event.sku, event.quantity):
            return _Promised(refusal="invalid_quote")
        # A promise that has run out still says what the customer is willing to pay.
        maximum = min(limit for limit in (quote.amount_microusd, event.max_microusd) if limit is not None)
        if quote.valid_until < event.submitted_at:
            return _Promised(max_microusd=maximum)
        return _Promised(version=quote.price_version, max_microusd=event.max_microusd)


@dataclass(frozen=True, slots=True)
class _Promised:
    """What a request says about its price."""

    version: int | None = None
    max_microusd: int | None = None
    refusal: str | None = None


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
        lossy=event.lossy,
        failover=event.failover,
    )
