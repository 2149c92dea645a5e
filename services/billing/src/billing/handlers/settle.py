"""End a held job: capture what was delivered, or give everything back; once, and say so."""

from dataclasses import replace
from uuid import UUID

import orjson

from billing.domain.errors import MESSAGES
from billing.domain.reservation import Reservation, Verdict
from billing.handlers.answers import settled
from billing.repository.reservations import Reservations
from billing.repository.settlements import Settlements
from common import telemetry
from common.coalescer import Coalescer
from common.contracts import JobFailed, JobStored, Message, OutputsDiscarded
from common.failpoints import reach
from common.messaging import CannotWork, TryLater

MAX_ATTEMPTS = 3

verdicts = telemetry.counter("billing_verdicts", "Jobs ended, each counted once.", ("state",))
discarded = telemetry.counter("billing_outputs_discarded", "Outputs that came after the job had ended.")


def refund(job_id: UUID, account_id: UUID, code: str, message: str | None = None) -> Verdict:
    """Everything goes back, and this is why."""
    return Verdict(job_id, account_id, 0, "[]", code, message or MESSAGES.get(code))


class Settle:
    """Decides how held jobs end; the first verdict counts."""

    def __init__(self, settlements: Settlements, reservations: Reservations) -> None:
        self._settle: Coalescer[Verdict, Reservation | None] = Coalescer("settlements", settlements.settle)
        self._reservations = reservations

    async def resolve(self, verdict: Verdict) -> Reservation | None:
        """The reservation after this verdict was heard, whoever decided it; None: there is none.

        Raises:
            CannotWork: the job belongs to another account.
            TryLater: it is held, and yet no verdict took hold.
        """
        for _ in range(MAX_ATTEMPTS):
            decided = await self._settle(verdict)
            reach("B3")
            if decided is not None:
                verdicts.inc(decided.state)
                return decided
            found = (await self._reservations.read([verdict.job_id])).get(verdict.job_id)
            if found is not None and found.account_id != verdict.account_id:
                raise CannotWork("the job belongs to another account")
            if found is None or found.state != "held" or verdict.only_if_expired:
                return found
            # Another verdict in the same batch went first and did not apply: ours is still to be heard.
        raise TryLater("held, and yet the verdict found nothing held")

    async def stored(self, event: JobStored) -> list[Message]:
        """Capture the outputs that are fetchable; what comes after the end is handed back for deletion."""
        reach("B1")
        verdict = refund(event.job_id, event.account_id, "output_unavailable")
        if event.outputs:
            outputs = [output.model_dump(mode="json") for output in event.outputs]
            verdict = replace(
                verdict,
                delivered=len(outputs),
                outputs_json=orjson.dumps(outputs).decode(),
                error_code=None,
                error_message=None,
            )
        reservation = _known(await self.resolve(verdict))
        kept = {output["key"] for output in reservation.delivered or ()}
        late = tuple(output.key for output in event.outputs if output.key not in kept)
        answers: list[Message] = [] if reservation.state == "refused" else [settled(reservation)]
        if late:
            discarded.inc(by=len(late))
            answers.append(OutputsDiscarded(job_id=event.job_id, account_id=event.account_id, keys=late))
        return answers

    async def failed(self, event: JobFailed) -> list[Message]:
        """Give everything back."""
        reach("B1")
        verdict = refund(event.job_id, event.account_id, event.code, event.message)
        reservation = _known(await self.resolve(verdict))
        return [] if reservation.state == "refused" else [settled(reservation)]


def _known(reservation: Reservation | None) -> Reservation:
    if reservation is None:
        # A message about an unknown job creates nothing.
        raise CannotWork("there is no reservation for this job")
    return reservation
