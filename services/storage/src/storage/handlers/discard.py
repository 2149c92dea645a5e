"""Delete outputs that nobody paid for."""

from common import telemetry
from common.contracts import OutputsDiscarded
from common.messaging import CannotReach
from common.objects import ObjectError, ObjectStore
from storage.repository import Assets

discarded = telemetry.counter("storage_discarded", "Outputs deleted because their job was refunded first.")


class Discard:
    """Late outputs of a refunded job: out of the bucket, noted in the index."""

    def __init__(self, assets: Assets, objects: ObjectStore) -> None:
        self._assets = assets
        self._objects = objects

    async def __call__(self, event: OutputsDiscarded) -> None:
        """Delete them; deleting twice is harmless."""
        try:
            await self._objects.delete_many(self._objects.outputs, list(event.keys))
        except ObjectError as error:
            raise CannotReach(str(error)) from None  # refused by our own store: wait for whoever mends it
        discarded.inc(by=await self._assets.mark_deleted(event.keys))
