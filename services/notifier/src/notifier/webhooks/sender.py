"""Sends what is due: claims rows, posts side by side, records every try."""

import asyncio
import random
import time
from functools import partial

from common import telemetry
from common.clock import now
from common.failpoints import reach
from common.messaging import CannotReach
from common.messaging.unforeseen import told
from notifier.secrets import Secrets
from notifier.webhooks.lanes import Lanes
from notifier.webhooks.posting import Poster
from notifier.webhooks.repository import Deliveries, Delivery, Try
from notifier.webhooks.schedule import pause_s
from notifier.webhooks.signing import event_id, headers

CLAIM_S = 6.0
"""How long a claim holds that nobody renews: so long a dead process keeps its deliveries from others."""
_RENEWALS = 3
"""Within the life of a claim."""
_RECORD_S = 30.0
"""How long noting a try is worth trying, through an outage of the database."""
_AWAY_S = 1.0
_RECORD_AGAIN_S = 0.5

log = telemetry.logger(__name__)
tries = telemetry.counter("webhook_tries", "Tries at webhook deliveries, by result.", ("result",))
latency = telemetry.histogram("webhook_latency_seconds", "How long receivers took to answer.")


class Sender:
    """One per process; several processes share the work through claims."""

    def __init__(
        self,
        deliveries: Deliveries,
        secrets: Secrets,
        poster: Poster,
        *,
        schedule_s: tuple[float, ...],
        timeout_s: float,
        max_in_flight: int,
        max_per_host: int,
        poll_interval_s: float,
        claim_s: float = CLAIM_S,
    ) -> None:
        self._deliveries = deliveries
        self._secrets = secrets
        self._poster = poster
        self._schedule_s = schedule_s
        self._timeout_s = timeout_s
        self._claim_s = claim_s
        self._lanes = Lanes(max_in_flight, max_per_host)
        self._poll_interval_s = poll_interval_s
        self._due = asyncio.Event()
        self._posting: dict[asyncio.Task[None], Delivery] = {}
        self._steady_since = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        self._holding = asyncio.Event()

    def start(self) -> None:
        """Send from now on."""
        self._tasks = [
            asyncio.create_task(self._run(), name="webhook sender"),
            asyncio.create_task(self._hold(), name="webhook claims"),
        ]

    async def stop(self, drain_s: float) -> None:
        """Claim no more; let the posts at hand finish."""
        sending, holding = self._tasks[:1], self._tasks[1:]
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        if self._posting:
            await asyncio.wait(list(self._posting), timeout=drain_s)
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)

    def wake(self) -> None:
        """Something is due now."""
        self._due.set()

    async def _run(self) -> None:
        while True:
            self._due.clear()
            try:
                if await self._claim():
                    continue
                due_s = await self._deliveries.next_due_s()
            except CannotReach as error:
                # After an outage every claim has lapsed, also those of the living: they may renew first.
                self._steady_since = time.monotonic()
                log.warning("sender_waits", reason=str(error))
                due_s = _AWAY_S
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do better than none
                log.error("sender_failed", **told(error))  # noqa: TRY400 - told says what may be shown
                due_s = _AWAY_S
            wait_s = self._poll_interval_s if due_s is None else min(max(due_s, 0.02), self._poll_interval_s)
            try:
                await asyncio.wait_for(self._due.wait(), timeout=wait_s)
            except TimeoutError:
                continue

    async def _claim(self) -> bool:
        """Begin what is due and has a place; whether more may be."""
        room = self._lanes.room
        if room <= 0:
            return False
        ends_at = time.monotonic() + self._claim_s
        claimed = await self._deliveries.claim(
            room,
            self._claim_s,
            self._lanes.taken(),
            self._lanes.max_per_host,
            lapsed_too=time.monotonic() - self._steady_since > self._claim_s,
        )
        if claimed:
            reach("N1")
        for delivery in claimed:
            self._lanes.enter(delivery.host)
            task = asyncio.create_task(self._send(delivery, ends_at))
            self._posting[task] = delivery
            self._holding.set()
            task.add_done_callback(partial(self._finished, delivery.host))
        # Less than there was room for is all there was, unless a host's backlog hid the others'.
        return len(claimed) == room or any(self._lanes.full(one.host) for one in claimed)

    async def _hold(self) -> None:
        """Renew the claims of what is being posted; with nothing at hand it asks nobody anything."""
        while True:
            await self._holding.wait()
            await asyncio.sleep(self._claim_s / _RENEWALS)
            held = list(self._posting.values())
            if not held:
                continue
            try:
                kept = await self._deliveries.renew(held, self._claim_s)
            except CannotReach as error:
                log.warning("claims_not_renewed", claims=len(held), reason=str(error))
            except Exception as error:  # noqa: BLE001 - the next round may do better than none
                log.error("renewal_failed", **told(error))  # noqa: TRY400 - told says what may be shown
            else:
                if kept < len(held):
                    log.info("claims_ended", claims=len(held) - kept)

    def _finished(self, host: str, task: "asyncio.Task[None]") -> None:
        if self._lanes.full(host):
            self.wake()
        self._lanes.leave(host)
        del self._posting[task]
        if not self._posting:
            self._holding.clear()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery_torn", reason=type(error).__name__)  # its claim runs out; then it is tried again

    async def _send(self, delivery: Delivery, claim_ends_at: float) -> None:
        sealed = delivery.sealed_secret
        secret = self._secrets.open(sealed) if sealed else await self._secrets.of(delivery.account_id)
        if time.monotonic() > claim_ends_at:
            # This process stood still; whoever holds the claim after us must not find us posting.
            log.warning("claim_too_old", delivery=delivery.id.hex)
            return
        started_at = now()
        signed = headers(secret, event_id(delivery.id), int(time.time()), delivery.body)
        answer, latency_ms = await self._poster.post(delivery.url, delivery.body, signed)
        reach("N2")
        if self._lanes.note(delivery.host, answered=answer.status is not None):
            self.wake()  # it has more places again
        again_s = None
        if not answer.delivered:
            again_s = pause_s(answer, delivery.tries + 1, self._schedule_s, random.uniform(-1, 1))  # noqa: S311
        await self._record(Try(delivery, answer, started_at, latency_ms, again_s))
        tries.inc("delivered" if answer.delivered else "failed" if again_s is None else "again")
        latency.observe(latency_ms / 1000)
        log.info(
            "webhook",
            delivery=delivery.id.hex,
            try_number=delivery.tries + 1,
            status=answer.status,
            error=answer.error,
            latency_ms=latency_ms,
            again_s=again_s,
        )
        if again_s is not None:
            self.wake()  # it may be due before what the sender waits for

    async def _record(self, result: Try) -> None:
        """Note a try even if the database is away for a while: forgetting it would post it again."""
        give_up_at = time.monotonic() + _RECORD_S
        while True:
            try:
                if not await self._deliveries.record(result):
                    log.warning("claim_lost", delivery=result.delivery.id.hex)
            except CannotReach:
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(_RECORD_AGAIN_S)
            else:
                return
