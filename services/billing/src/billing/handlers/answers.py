"""What billing says about a reservation: always the same for the same row, however often it is asked."""

from billing.domain.errors import MESSAGES
from billing.domain.reservation import Reservation
from common.contracts import Credits, JobError, JobRejected, JobSettled, StoredOutput


def _error(reservation: Reservation) -> JobError | None:
    if reservation.error_code is None:
        return None
    message = reservation.error_message or MESSAGES.get(reservation.error_code, "The request failed.")
    return JobError(code=reservation.error_code, message=message)


def rejected(reservation: Reservation) -> JobRejected:
    """Nothing was held and nothing ever will be."""
    error = _error(reservation)
    assert reservation.state == "refused" and error is not None
    return JobRejected(
        job_id=reservation.job_id,
        account_id=reservation.account_id,
        error=error,
        replica=reservation.replica,
        synchronous=reservation.synchronous,
    )


def settled(reservation: Reservation) -> JobSettled:
    """The verdict."""
    assert reservation.state in {"captured", "refunded"}
    assert reservation.settled_at is not None
    captured = reservation.state == "captured"
    outputs = tuple(StoredOutput.model_validate(output) for output in reservation.delivered or ())
    return JobSettled(
        job_id=reservation.job_id,
        account_id=reservation.account_id,
        status="completed" if captured else "failed",
        credits=Credits(
            reserved_microusd=reservation.amount_microusd,
            charged_microusd=reservation.charged_microusd,
            refunded_microusd=reservation.refunded_microusd,
        ),
        outputs=outputs if captured else (),
        error=None if captured else _error(reservation),
        settled_at=reservation.settled_at,
        replica=reservation.replica,
        synchronous=reservation.synchronous,
    )
