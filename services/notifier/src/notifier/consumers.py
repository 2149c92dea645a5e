"""Message in, delivery begun."""

from common.contracts import JobFinished
from common.messaging import Consumers, topology
from notifier.webhooks.announce import Announce


def consumers(announce: Announce) -> Consumers:
    """What the notifier listens to."""
    on = Consumers()

    @on(topology.NOTIFIER_FINISHED)
    async def on_job_finished(event: JobFinished) -> None:
        """Tell whoever asked to be told."""
        await announce(event)

    return on
