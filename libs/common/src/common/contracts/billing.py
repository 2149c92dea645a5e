"""What billing says: it alone decides how a job ends."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from common.contracts.base import Kind, Message, Value
from common.contracts.storage import StoredOutput


class Credits(Value):
    """Money of one job, in micro-dollars; reserved = charged + refunded once it is settled."""

    reserved_microusd: int
    charged_microusd: int = 0
    refunded_microusd: int = 0


class JobError(Value):
    """Why a job failed: a stable code, and a sentence for the customer that never quotes the request."""

    code: str
    message: str


class JobReserved(Message):
    """The price is held; the job may be dispatched. Carries all that the dispatcher needs."""

    TYPE: ClassVar[str] = "job.reserved"

    model: str
    kind: Kind
    mode: str
    outputs: int
    parameters: dict[str, Any]
    epoch: str
    sealed: str
    price_microusd: int
    price_version: int
    held_at: datetime
    deadline_at: datetime
    synchronous: bool
    livemode: bool = True
    replica: str
    lossy: tuple[str, ...] = ()
    failover: bool = True

    @property
    def routing_key(self) -> str:
        """Gateways bind only the asynchronous ones: who waits for a picture waits for the verdict itself."""
        return f"{self.TYPE}.{'sync' if self.synchronous else 'async'}"


class JobRejected(Message):
    """Nothing was held and nothing ever will be for this job id."""

    TYPE: ClassVar[str] = "job.rejected"

    error: JobError
    replica: str
    synchronous: bool


class JobSettled(Message):
    """The verdict: captured (completed) or refunded (failed), published after its commit."""

    TYPE: ClassVar[str] = "job.settled"

    status: Literal["completed", "failed"]
    credits: Credits
    outputs: tuple[StoredOutput, ...] = ()
    error: JobError | None = None
    settled_at: datetime
    replica: str
    synchronous: bool


class OutputsDiscarded(Message):
    """Outputs nobody paid for: they came after the refund. Storage deletes them."""

    TYPE: ClassVar[str] = "job.outputs_discarded"

    keys: tuple[str, ...]
