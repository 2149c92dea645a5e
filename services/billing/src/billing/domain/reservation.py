"""What billing decides about a job: a hold, then one verdict. Nothing here touches a database or a message."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

MAX_QUANTITY = 10_000
"""Units of one job. With the largest unit price it stays within the largest amount of one entry."""
MAX_UNIT_PRICE_MICROUSD = 100_000_000
SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The opening of an account whose sign-up nobody told: no announced price was shown to it there."""

State = Literal["held", "captured", "refunded", "refused"]


class Impossible(ValueError):  # noqa: N818 - a fact about the request
    """This request can never be worked, however often it comes."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A request to hold the price of a job until its verdict.

    ``quantity`` counts billed units over all outputs; ``accept_by`` is the last moment a hold may be taken.
    ``opened_at`` is when the customer signed up. ``quoted_version`` is a price promised and still valid,
    ``max_microusd`` the most that may be held, ``refusal`` a reason known beforehand to hold nothing.
    """

    job_id: UUID
    account_id: UUID
    sku: str
    quantity: int
    outputs: int
    deadline_ms: int
    accept_by: datetime
    synchronous: bool
    livemode: bool
    replica: str
    opened_at: datetime = SINCE_EVER
    quoted_version: int | None = None
    max_microusd: int | None = None
    refusal: str | None = None
    api_key_id: UUID | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.quantity <= MAX_QUANTITY:
            raise Impossible(f"quantity {self.quantity} is outside 1 to {MAX_QUANTITY}")
        if self.outputs < 1 or self.quantity % self.outputs:
            raise Impossible(f"quantity {self.quantity} does not spread evenly over {self.outputs} outputs")
        if not 1 <= self.deadline_ms <= 24 * 3600 * 1000:
            raise Impossible(f"a deadline of {self.deadline_ms} ms is outside 1 ms to one day")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job ended: ``delivered`` outputs are charged, the rest of the hold goes back; none is a refund.

    A verdict that is ``only_if_expired`` changes nothing before the hold's ``expires_at``. One that is
    ``announced_later`` is marked as still to be published, for no message will come again to remind us.
    """

    job_id: UUID
    account_id: UUID
    delivered: int
    outputs_json: str
    error_code: str | None = None
    error_message: str | None = None
    only_if_expired: bool = False
    announced_later: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """The row that decides about a job; final once it is captured, refunded or refused."""

    job_id: UUID
    account_id: UUID
    state: State
    price_version: int | None
    amount_microusd: int
    charged_microusd: int
    refunded_microusd: int
    synchronous: bool
    replica: str
    decided_at: datetime
    deadline_at: datetime | None
    settled_at: datetime | None
    error_code: str | None
    error_message: str | None
    delivered: list[dict[str, Any]] | None
