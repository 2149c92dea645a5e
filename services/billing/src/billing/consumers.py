"""Messages in, handlers, messages out."""

from billing.handlers.control import Control
from billing.handlers.hold import HoldPrice
from billing.handlers.settle import Settle
from common.contracts import (
    JobCancel,
    JobFailed,
    JobOverdue,
    JobRejected,
    JobReserved,
    JobSettled,
    JobStored,
    JobSubmitted,
    Message,
)
from common.messaging import topology
from common.messaging.consumers import Consumers


def consumers(hold: HoldPrice, settle: Settle, control: Control) -> Consumers:
    """Everything billing listens to."""
    on = Consumers()

    @on(topology.BILLING_SUBMITTED)
    async def submitted(event: JobSubmitted) -> JobReserved | JobRejected | JobSettled:
        return await hold(event)

    @on(topology.BILLING_RESULTS)
    async def stored(event: JobStored) -> list[Message]:
        return await settle.stored(event)

    @on(topology.BILLING_RESULTS)
    async def failed(event: JobFailed) -> list[Message]:
        return await settle.failed(event)

    @on(topology.BILLING_CONTROL)
    async def cancel(event: JobCancel) -> JobRejected | JobSettled | None:
        return await control.cancel(event)

    @on(topology.BILLING_CONTROL)
    async def overdue(event: JobOverdue) -> JobRejected | JobSettled | None:
        return await control.overdue(event)

    return on
