"""Message in, message out."""

from common.contracts import JobFailed, JobGenerated, JobStored, OutputsDiscarded
from common.messaging import Consumers, topology
from storage.handlers.discard import Discard
from storage.handlers.store import Store


def consumers(store: Store, discard: Discard) -> Consumers:
    """What storage listens to."""
    on = Consumers()

    @on(topology.STORAGE_GENERATED)
    async def on_job_generated(event: JobGenerated) -> JobStored | JobFailed:
        """Make the outputs ours and say so."""
        return await store(event)

    @on(topology.STORAGE_DISCARDED)
    async def on_outputs_discarded(event: OutputsDiscarded) -> None:
        """Delete what nobody paid for."""
        await discard(event)

    return on
