"""What time must finish: results whose message may never have left, and rows nobody needs any more."""

import asyncio

from common import telemetry
from dispatcher import metrics
from dispatcher.repository.results import Results
from dispatcher.running.verdicts import Verdicts, load

BATCH = 200
MAX_BATCHES = 20
PRUNE_BATCH = 1_000

log = telemetry.logger(__name__)


class Sweeper:
    """Publishes results again. Several replicas may sweep at once: the same message goes out twice, harmlessly."""

    def __init__(self, results: Results, verdicts: Verdicts, *, older_s: float, keep_days: float) -> None:
        self._results = results
        self._verdicts = verdicts
        self._older_s = older_s
        self._keep_days = keep_days

    async def sweep(self) -> int:
        """Announce results that were committed a while ago and are not marked; how many."""
        count = 0
        for _ in range(MAX_BATCHES):
            found = await self._results.unmarked(self._older_s, BATCH)
            if not found:
                break
            await asyncio.gather(*(self._verdicts.announce(job_id, load(verdict)) for job_id, verdict in found))
            count += len(found)
            if len(found) < BATCH:
                break
        if count:
            metrics.republished.inc(by=count)
            log.info("results_republished", count=count)
        return count

    async def prune(self) -> int:
        """Forget final jobs of long ago, a bounded number at a time; how many."""
        return await self._results.prune(self._keep_days, PRUNE_BATCH)
