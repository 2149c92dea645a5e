"""Deletes outputs when their time is over: from the bucket first, then in the index."""

import asyncio
import time

from common import telemetry
from common.messaging import CannotReach
from common.messaging.unforeseen import told
from common.objects import Deleted, ObjectError, ObjectStore
from storage.repository import Assets

BATCH = 500
_AGAIN_AT_ONCE = 16
_MOST_STUBBORN = 1_000
_OVERDUE_S = 24 * 3600.0
_CHECK_EVERY_S = 60.0

log = telemetry.logger(__name__)
expired = telemetry.counter("storage_expired", "Objects deleted because their time was over.")
undeletable = telemetry.counter("storage_not_deleted", "Deletions of objects whose time was over that failed.")
violations = telemetry.gauge("invariant_violations", "Rows that break an invariant; 0 always.", ("name",))


class Sweeper:
    """Runs in every replica; deleting an object twice is harmless."""

    def __init__(self, assets: Assets, objects: ObjectStore, interval_s: float) -> None:
        self._assets = assets
        self._objects = objects
        self._interval_s = interval_s
        self._stubborn: list[str] = []
        """Keys that could not be deleted, in the order in which they are tried again."""
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
        """Delete one batch of what is due; how many went. What failed before comes last and keeps nobody waiting.

        Raises:
            CannotReach, ObjectError: not one could be deleted.
        """
        keys = list(await self._assets.due(BATCH, without=self._stubborn))
        keys += self._stubborn[: min(_AGAIN_AT_ONCE, BATCH - len(keys))]
        if not keys:
            return 0
        deleted = await self._objects.delete_each(self._objects.outputs, keys)
        if deleted.gone:
            expired.inc(by=await self._assets.mark_deleted(deleted.gone))
        self._postpone(deleted)
        if deleted.failed and not deleted.gone:
            raise next(iter(deleted.failed.values()))
        return len(deleted.gone)

    def _postpone(self, deleted: Deleted) -> None:
        """What failed goes to the end of the line of such."""
        for key, error in deleted.failed.items():
            undeletable.inc()
            if key not in self._stubborn:
                log.warning("object_not_deleted", key=key, reason=str(error))
        done = {*deleted.gone, *deleted.failed}
        self._stubborn = [key for key in self._stubborn if key not in done] + list(deleted.failed)
        # So many are no stubborn objects but a store that is away: the oldest are found again by their time.
        del self._stubborn[:-_MOST_STUBBORN]

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
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do better than none
                log.error("sweep_failed", **told(error))  # noqa: TRY400 - told says what may be shown
            await asyncio.sleep(self._interval_s)
