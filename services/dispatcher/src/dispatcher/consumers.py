"""Messages in: reserved jobs. What becomes of them is published by the verdicts, not returned from here."""

from common.contracts import JobReserved
from common.messaging import topology
from common.messaging.consumers import Consumers
from dispatcher.running.admission import Admission


def consumers(admission: Admission) -> Consumers:
    """The dispatcher's handlers."""
    on = Consumers()

    @on(topology.DISPATCHER_RESERVED)
    async def on_job_reserved(event: JobReserved) -> None:
        """Park the job and run it, once."""
        await admission.take(event)

    return on
