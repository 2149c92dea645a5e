"""Messages to handlers. What they return is published, and then the incoming message is acknowledged."""

import time

from common.contracts import JobChanged, JobRejected, JobReserved, JobSettled, Message, RouteHealth
from common.messaging import Consumers, topology
from gateway.domain.health import Health
from gateway.jobs.projection import Projection
from gateway.jobs.waiters import Waiters


def consumers(projection: Projection, waiters: Waiters, health: Health) -> Consumers:
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

    @on.hint(RouteHealth)
    async def on_route_health(hint: RouteHealth) -> None:
        """A dispatcher says how well it finds a route."""
        health.hear(hint.replica, hint.provider, hint.model, hint.state, time.monotonic())

    return on
