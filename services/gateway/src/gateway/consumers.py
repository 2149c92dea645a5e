"""Messages to handlers. What they return is published, and then the incoming message is acknowledged."""

from common.contracts import JobChanged, JobRejected, JobReserved, JobSettled, Message
from common.messaging import Consumers, topology
from gateway.jobs.projection import Projection
from gateway.jobs.waiters import Waiters


def consumers(projection: Projection, waiters: Waiters) -> Consumers:
    """Everything the gateway listens to."""
    on = Consumers()

    @on(topology.GATEWAY_DECISIONS)
    async def on_job_reserved(event: JobReserved) -> list[Message]:
        """The price is held: the job reads as processing."""
        return await projection.reserved(event)

    @on(topology.GATEWAY_DECISIONS)
    async def on_job_rejected(event: JobRejected) -> list[Message]:
        """Nothing was held: the job reads as failed, free of charge."""
        return await projection.rejected(event)

    @on(topology.GATEWAY_SETTLED)
    async def on_job_settled(event: JobSettled) -> list[Message]:
        """Captured or refunded: the job is final, and only then anybody is told."""
        return await projection.settled(event)

    @on.hint(JobChanged)
    async def on_job_changed(hint: JobChanged) -> None:
        """Another replica wrote something that somebody here may wait for."""
        await waiters.look(hint.job_id)

    return on
