"""What time must finish: jobs about which billing has been silent are asked about, once per asking."""

import asyncio
import random

from common import telemetry
from common.contracts import JobOverdue
from common.messaging import Bus, CannotReach
from common.messaging.unforeseen import told
from gateway.jobs.repository import OverdueRows

_BATCH = 100
log = telemetry.logger(__name__)
asked = telemetry.counter("gateway_overdue_asked", "Questions to billing about overdue jobs.")


class Sweeper:
    """Asks at most a hundred times per round, each job at growing distances."""

    def __init__(self, rows: OverdueRows, bus: Bus, every_s: float) -> None:
        self._rows = rows
        self._bus = bus
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sweep beside the work until stopped."""
        self._task = asyncio.create_task(self._run(), name="sweeper")

    async def stop(self) -> None:
        """No more rounds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """One round; how many jobs were asked about. A question that gets lost is asked again later."""
        if not self._bus.connected:
            return 0
        overdue = await self._rows.take(_BATCH)
        for job in overdue:
            await self._bus.publish(
                JobOverdue(
                    job_id=job.job_id,
                    account_id=job.account_id,
                    replica=job.replica,
                    synchronous=job.synchronous,
                )
            )
            asked.inc()
        if overdue:
            log.info("asked_about_overdue_jobs", jobs=len(overdue))
        return len(overdue)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads replicas
            try:
                await self.sweep()
            except CannotReach as error:
                log.debug("sweep_skipped", reason=str(error))
            except Exception as error:  # noqa: BLE001 - the next sweep may do better than none
                log.error("sweep_failed", **told(error))  # noqa: TRY400 - told says what may be shown
