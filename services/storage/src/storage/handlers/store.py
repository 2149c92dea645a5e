"""Make the outputs of a job ours: pull or adopt, look at the bytes, index, say so."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from common import telemetry
from common.clock import now
from common.contracts import GeneratedOutput, JobFailed, JobGenerated, JobStored
from common.failpoints import reach
from common.messaging import CannotReach, CannotWork, TryLater
from storage.domain.media import Gone, Kept
from storage.patience import Patience
from storage.pulling import Lost, NotThere, NoTurn, NotYet, Puller, TooMuch
from storage.repository import Asset, Assets

_PAUSES_S = (0.2, 1.0)
_PAUSES_NOT_THERE_S = (0.5, 2.0)
"""What a provider has just announced may take this long to reach all of its CDN."""
_PATIENCE_S = 4.0
"""A failure that took longer than this is not repeated at once: the delivery makes room for others."""
_LATER_MS = 5_000
_CODES = {Gone.UNAVAILABLE: "output_unavailable", Gone.TOO_MUCH: "source_exceeds_declared"}
_MESSAGES = {
    "output_unavailable": "The provider's result could not be fetched in time. Nothing was charged; try again.",
    "source_exceeds_declared": (
        "The source is longer or larger than the request declares, so its result was not delivered. Nothing was "
        "charged; declare the source as it is."
    ),
}
"""What the customer reads."""

log = telemetry.logger(__name__)
outputs = telemetry.counter("storage_outputs", "Outputs by how they came and what became of them.", ("way", "result"))


class Store:
    """One job's outputs, each decided once: what is decided stands, and the answer follows from it alone."""

    def __init__(
        self,
        assets: Assets,
        puller: Puller,
        *,
        give_up_after_deadline_s: float,
        provider_patience_s: float = 60.0,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._assets = assets
        self._puller = puller
        self._grace = timedelta(seconds=give_up_after_deadline_s)
        self._patience = Patience(provider_patience_s)
        self._clock = clock

    async def __call__(self, event: JobGenerated) -> JobStored | JobFailed:
        """Store what was generated; an output that cannot be had is lost and will not be charged.

        Raises:
            TryLater: some outputs may come yet. Those that came are indexed and are not fetched again.
        """
        pulls = any(output.key is None for output in event.outputs)
        decided = await self._assets.of_job(event.job_id) if pulls else {}
        missing = [output for output in event.outputs if output.index not in decided]
        if missing:
            last = self._clock() >= event.deadline_at + self._grace
            made = await asyncio.gather(
                *(self._one(event, output, last=last) for output in missing), return_exceptions=True
            )
            if pulls:
                reach("S2")
            done = [
                Asset(event.job_id, event.account_id, output.index, one)
                for output, one in zip(missing, made, strict=True)
                if not isinstance(one, BaseException)
            ]
            if done:
                decided = await self._assets.add(done)
            for one in made:
                if isinstance(one, BaseException):
                    raise one
        reach("S3")
        stored = tuple(decided[index] for index in sorted(decided))
        kept = tuple(one for one in stored if not isinstance(one, Gone))
        if not kept:
            code = _CODES[Gone.TOO_MUCH if Gone.TOO_MUCH in stored else Gone.UNAVAILABLE]
            return JobFailed(
                job_id=event.job_id,
                account_id=event.account_id,
                stage="storage",
                code=code,
                message=_MESSAGES[code],
            )
        return JobStored(job_id=event.job_id, account_id=event.account_id, wanted=event.wanted, outputs=kept)

    async def _one(self, event: JobGenerated, output: GeneratedOutput, *, last: bool) -> Kept | Gone:
        """The output, or why it is lost. ``last``: what does not come now is lost too."""
        if output.key is not None:
            outputs.inc("adopted", "stored")
            return _adopted(output)
        if output.url is None:
            raise CannotWork("an output has neither an address nor an object")
        gone = Gone.UNAVAILABLE
        try:
            kept = await self._patiently(event, output)
        except Lost as lost:
            reason = str(lost)
            gone = Gone.TOO_MUCH if isinstance(lost, TooMuch) else gone
        except (TryLater, CannotReach) as error:
            if not last:
                raise
            reason = f"given up: {error}"
        else:
            self._patience.forget(event.job_id, output.index)
            outputs.inc("pulled", "stored")
            return kept
        self._patience.forget(event.job_id, output.index)
        outputs.inc("pulled", "lost")
        log.warning(
            "output_lost", job_id=event.job_id.hex, index=output.index, provider=event.provider, reason=reason
        )
        return gone

    async def _patiently(self, event: JobGenerated, output: GeneratedOutput) -> Kept:
        """Pull it, in a few tries.

        Raises:
            Lost: the provider does not hand it out, or has failed to for too long.
            TryLater: it may come yet.
        """
        started = time.monotonic()
        for attempt in range(len(_PAUSES_S)):
            try:
                return await self._puller.pull(event, output)
            except NotThere:
                pause_s = _PAUSES_NOT_THERE_S[attempt]
            except NotYet as error:
                if time.monotonic() - started >= _PATIENCE_S:
                    raise self._later(event, output, error) from None
                pause_s = _PAUSES_S[attempt]
            await asyncio.sleep(pause_s)
        try:
            return await self._puller.pull(event, output)
        except NotYet as error:
            raise self._later(event, output, error) from None

    def _later(self, event: JobGenerated, output: GeneratedOutput, error: NotYet) -> Lost | TryLater:
        """What follows from a delivery's last failure."""
        log.info("pull_failed", job_id=event.job_id.hex, index=output.index, reason=str(error))
        if not isinstance(error, NoTurn) and self._patience.is_over(event.job_id, output.index):
            return Lost(f"given up: {error}")
        return TryLater(str(error), _LATER_MS)


def _adopted(output: GeneratedOutput) -> Kept:
    # The dispatcher's upload was signed over this very hash, and the store refused anything else: a second look at
    # the object would cost a request and tell nothing new.
    if not (output.key and output.media_type and output.bytes and output.sha256):
        raise CannotWork("an inline output is not fully described")
    return Kept(output.key, output.media_type, output.bytes, output.sha256)
