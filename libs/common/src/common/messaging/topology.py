"""The bus as data: exchanges, queues, bindings and bounds. Tests and manifests read it; the bus declares it.

Every work queue is a quorum queue with a delivery limit, a length bound that refuses publishing, and a dead-letter
queue of its own (``<queue>.dead``, 14 days, consumed by nobody). Only ``billing.submitted`` is bounded tightly:
that is admission. Retries wait in TTL tiers and come back to their queue by name.
"""

from dataclasses import dataclass

from common.contracts import (
    JobCancel,
    JobFailed,
    JobFinished,
    JobGenerated,
    JobOverdue,
    JobRejected,
    JobReserved,
    JobSettled,
    JobStored,
    JobSubmitted,
    OutputsDiscarded,
)

JOBS = "jobs"
"""Topic exchange for work and facts about jobs; the routing key is the message's type."""
HINTS = "hints"
"""Topic exchange for hints; each replica binds an exclusive queue of its own."""
DEAD = "dead"
"""Direct exchange to dead-letter queues; the routing key is the name of the queue that gave up."""
RETRY = "retry"
"""Topic exchange to the retry tiers; routing keys are ``<tier>.<queue>``."""
REDELIVER = "redeliver"
"""Topic exchange through which a tier's expired messages return; bound by ``*.<queue>``."""

DELIVERY_LIMIT = 20
DEAD_LETTER_TTL_MS = 14 * 24 * 3600 * 1000
DEAD_LETTER_MAX_LENGTH = 1_000_000
MAX_MESSAGE_BYTES = 256 * 1024
RETRY_TIERS_MS: dict[str, int] = {"1s": 1_000, "5s": 5_000, "30s": 30_000, "2m": 120_000, "10m": 600_000}


@dataclass(frozen=True, slots=True)
class Queue:
    """One durable work queue of one service."""

    name: str
    bindings: tuple[str, ...]
    prefetch: int
    max_length: int = 1_000_000

    @property
    def dead(self) -> str:
        """Name of the queue that keeps what could not be worked."""
        return f"{self.name}.dead"


BILLING_SUBMITTED = Queue("billing.submitted", (JobSubmitted.TYPE,), prefetch=200, max_length=20_000)
BILLING_RESULTS = Queue("billing.results", (JobStored.TYPE, JobFailed.TYPE), prefetch=200)
BILLING_CONTROL = Queue("billing.control", (JobOverdue.TYPE, JobCancel.TYPE), prefetch=200)
DISPATCHER_RESERVED = Queue("dispatcher.reserved", (f"{JobReserved.TYPE}.*",), prefetch=200)
STORAGE_GENERATED = Queue("storage.generated", (JobGenerated.TYPE,), prefetch=50)
STORAGE_DISCARDED = Queue("storage.discarded", (OutputsDiscarded.TYPE,), prefetch=50)
GATEWAY_DECISIONS = Queue("gateway.decisions", (f"{JobReserved.TYPE}.async", JobRejected.TYPE), prefetch=200)
GATEWAY_SETTLED = Queue("gateway.settled", (JobSettled.TYPE,), prefetch=200)
NOTIFIER_FINISHED = Queue("notifier.finished", (JobFinished.TYPE,), prefetch=200)

QUEUES: tuple[Queue, ...] = (
    BILLING_SUBMITTED,
    BILLING_RESULTS,
    BILLING_CONTROL,
    DISPATCHER_RESERVED,
    STORAGE_GENERATED,
    STORAGE_DISCARDED,
    GATEWAY_DECISIONS,
    GATEWAY_SETTLED,
    NOTIFIER_FINISHED,
)
