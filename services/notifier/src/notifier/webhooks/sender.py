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
from notifier.webhooks.claims import CLAIM_S, Claim, ClaimLapsed, Claims
from notifier.webhooks.lanes import Lanes
from notifier.webhooks.posting import Poster
from notifier.webhooks.repository import Deliveries, Try
from notifier.webhooks.schedule import pause_s
from notifier.webhooks.signing import event_id, headers

RECORD_FOR_S = 45.0
"""How long a try waits to be recorded through an outage of the database."""
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
        max_in_flight: int,
        max_per_host: int,
        poll_interval_s: float,
        claim_s: float = CLAIM_S,
    ) -> None:
        self._deliveries = deliveries
        self._secrets = secrets
        self._poster = poster
        self._schedule_s = schedule_s
        self._claims = Claims(deliveries, claim_s)
        self._lanes = Lanes(max_in_flight, max_per_host)
        self._poll_interval_s = poll_interval_s
        self._due = asyncio.Event()
        self._posting: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send from now on."""
        self._claims.start()
        self._task = asyncio.create_task(self._run(), name="webhook sender")

    async def stop(self, drain_s: float) -> None:
        """Claim no more; let the posts at hand finish, and break off those that take longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._posting:
            _, late = await asyncio.wait(list(self._posting), timeout=drain_s)
            for post in late:
                post.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._claims.stop()

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
        claimed = await self._claims.take(room, self._lanes.taken(), self._lanes.max_per_host)
        if claimed:
            reach("N1")
        for claim in claimed:
            self._lanes.enter(claim.delivery.host)
            task = asyncio.create_task(self._send(claim))
            self._posting.add(task)
            task.add_done_callback(partial(self._finished, claim))
        # Less than there was room for is all there was, unless a host's backlog hid the others'.
        return len(claimed) == room or any(self._lanes.full(one.delivery.host) for one in claimed)

    def _finished(self, claim: Claim, task: "asyncio.Task[None]") -> None:
        self._claims.let_go(claim)
        host = claim.delivery.host
        if self._lanes.full(host):
            self.wake()
        self._lanes.leave(host)
        self._posting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery_torn", reason=type(error).__name__)  # its claim runs out; then it is tried again

    async def _send(self, claim: Claim) -> None:
        delivery = claim.delivery
        sealed = delivery.sealed_secret
        secret = self._secrets.open(sealed) if sealed else await self._secrets.of(delivery.account_id)
        if not claim.fresh:
            # This process stood still; whoever holds the claim after us must not find us posting.
            log.warning("claim_too_old", delivery=delivery.id.hex)
            return
        started_at = now()
        signed = headers(secret, event_id(delivery.id), int(time.time()), delivery.body)
        try:
            async with claim.lasting():
                answer, latency_ms = await self._poster.post(delivery.url, delivery.body, signed)
        except ClaimLapsed:
            log.warning("claim_lapsed", delivery=delivery.id.hex)  # whoever takes it next begins anew
            return
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
        ends_at = time.monotonic() + RECORD_FOR_S
        while True:
            try:
                if not await self._deliveries.record(result):
                    log.warning("claim_lost", delivery=result.delivery.id.hex)
            except CannotReach:
                if time.monotonic() > ends_at:
                    raise
                await asyncio.sleep(_RECORD_AGAIN_S)
            else:
                return
