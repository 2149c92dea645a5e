"""Delete outputs that nobody paid for."""

from common import telemetry
from common.contracts import OutputsDiscarded
from common.messaging import TryLater
from common.objects import ObjectStore
from storage.repository import Assets

_LATER_MS = 30_000

discarded = telemetry.counter("storage_discarded", "Outputs deleted because their job was refunded first.")


class Discard:
    """Late outputs of a refunded job: out of the bucket, noted in the index."""

    def __init__(self, assets: Assets, objects: ObjectStore) -> None:
        self._assets = assets
        self._objects = objects

    async def __call__(self, event: OutputsDiscarded) -> None:
        """Delete them; deleting twice is harmless.

        Raises:
            TryLater: some would not go. It waits outside the queue, so that nobody waits behind it.
        """
        deleted = await self._objects.delete_each(self._objects.outputs, list(event.keys))
        if deleted.gone:
            discarded.inc(by=await self._assets.mark_deleted(deleted.gone))
        if deleted.failed:
            raise TryLater(f"not deleted: {next(iter(deleted.failed.values()))}", _LATER_MS)
