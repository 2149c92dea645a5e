"""Every message that crosses the bus, one module per service that owns (publishes) it."""

from common.contracts.base import Message
from common.contracts.billing import (
    Credits,
    JobError,
    JobRejected,
    JobReserved,
    JobSettled,
    OutputsDiscarded,
)
from common.contracts.dispatcher import GeneratedOutput, JobFailed, JobGenerated
from common.contracts.gateway import JobCancel, JobFinished, JobOverdue, JobSubmitted
from common.contracts.hints import JobChanged, RouteChanged, RouteHealth, UpstreamCalled
from common.contracts.storage import JobStored, StoredOutput

MESSAGES: tuple[type[Message], ...] = (
    JobSubmitted,
    JobOverdue,
    JobCancel,
    JobFinished,
    JobReserved,
    JobRejected,
    JobSettled,
    OutputsDiscarded,
    JobGenerated,
    JobFailed,
    JobStored,
    JobChanged,
    RouteChanged,
    RouteHealth,
    UpstreamCalled,
)

__all__ = [
    "MESSAGES",
    "Credits",
    "GeneratedOutput",
    "JobCancel",
    "JobChanged",
    "JobError",
    "JobFailed",
    "JobFinished",
    "JobGenerated",
    "JobOverdue",
    "JobRejected",
    "JobReserved",
    "JobSettled",
    "JobStored",
    "JobSubmitted",
    "Message",
    "OutputsDiscarded",
    "RouteChanged",
    "RouteHealth",
    "StoredOutput",
    "UpstreamCalled",
]
