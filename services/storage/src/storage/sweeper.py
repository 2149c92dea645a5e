"""Deletes outputs when their time is over: from the bucket first, then in the index."""

import asyncio
import time

from common import telemetry
from common.messaging import CannotReach
from common.objects import ObjectError, ObjectStore
from storage.repository import Assets

BATCH = 500
_OVERDUE_S = 24 * 3600.0
_CHECK_EVERY_S = 60.0

log = telemetry.logger(__name__)
expired = telemetry.counter("storage_expired", "Objects deleted because their time was over.")
violations = telemetry.gauge("invariant_violations", "Rows that break an invariant; 0 always.", ("name",))


class Sweeper:
    """Runs in every replica; deleting an object twice is harmless."""

    def __init__(self, assets: Assets, objects: ObjectStore, interval_s: float) -> None:
        self._assets = assets
        self._objects = objects
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep from now on."""
        self._task = asyncio.create_task(self._run(), name="sweeper")

    async def stop(self) -> None:
        """Stop; a batch that was torn is swept again by the next process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Delete one batch of what is due; how many."""
        keys = await self._assets.due(BATCH)
        if keys:
            await self._objects.delete_many(self._objects.outputs, keys)
            expired.inc(by=await self._assets.mark_deleted(keys))
        return len(keys)

    async def check(self) -> int:
        """How many objects outlive their time by a day, published as a metric."""
        overdue = await self._assets.overdue(_OVERDUE_S)
        violations.set(overdue, "E4_output_outlives_its_time")
        return overdue

    async def _run(self) -> None:
        check_at = 0.0
        while True:
            try:
                if time.monotonic() >= check_at:
                    await self.check()
                    check_at = time.monotonic() + _CHECK_EVERY_S
                if await self.sweep() == BATCH:
                    continue
            except (CannotReach, ObjectError) as error:
                log.warning("sweep_postponed", reason=str(error))
            except Exception:
                log.exception("sweep_failed")  # whatever it is, the next round may do better than none
            await asyncio.sleep(self._interval_s)
