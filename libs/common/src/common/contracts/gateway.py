"""What the gateway says."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from common.contracts.base import Kind, Message


class JobSubmitted(Message):
    """A validated request whose price shall be held.

    ``sealed`` is the base64 of a sealed box that only dispatchers open (prompt, user text, references to sealed
    files); ``parameters`` holds only validated enumerations and numbers of the model's schema, never free text.
    ``quantity`` is the number of billed units over all outputs (images, or seconds), ``accept_by`` the moment
    after which billing must not hold any more. ``account_opened_at`` decides which announced prices the customer saw
    at sign-up; ``quote_id`` names a price that was promised, ``max_microusd`` the most this job may cost,
    ``api_key_id`` whose spending it counts towards. ``lossy`` are the parameters that a further route need not be
    able to carry; without ``failover`` there is none.
    """

    TYPE: ClassVar[str] = "job.submitted"

    model: str
    kind: Kind
    mode: str
    sku: str
    quantity: int
    outputs: int
    parameters: dict[str, Any]
    epoch: str
    sealed: str
    deadline_ms: int
    submitted_at: datetime
    accept_by: datetime
    synchronous: bool
    livemode: bool = True
    replica: str
    account_opened_at: datetime | None = None
    quote_id: str | None = None
    max_microusd: int | None = None
    api_key_id: UUID | None = None
    lossy: tuple[str, ...] = ()
    failover: bool = True


class JobOverdue(Message):
    """The gateway misses a decision or a verdict; billing answers with one, whatever has happened."""

    TYPE: ClassVar[str] = "job.overdue"

    replica: str
    synchronous: bool


class JobCancel(Message):
    """Nothing may be charged for this job any more unless it is already captured."""

    TYPE: ClassVar[str] = "job.cancel"

    reason: Literal["abandoned", "timed_out", "cancelled"]
    replica: str
    synchronous: bool


class JobFinished(Message):
    """The customer can see the final state; whoever wants to be told may be told now.

    ``public_id`` is the id in the form of the family that asked (``task_...`` or ``video_...``).
    """

    TYPE: ClassVar[str] = "job.finished"

    public_id: str
    task_id: str
    kind: Kind
    model: str
    status: Literal["completed", "failed"]
    finished_at: datetime
    callback_url: str | None
    livemode: bool = True
