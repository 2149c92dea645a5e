"""What becomes of a delivery: publish what the handler says, then acknowledge; know three kinds of failure.

* cannot reach: the delivery is kept and the handler runs again with jittered back-off, readiness is red;
* try later: the message waits in a retry tier and comes back;
* cannot work: to the dead-letter queue.

A lost broker connection cancels the broker's own handler tasks. The work therefore runs in a task of ours; the
redelivery of a message whose work still runs joins it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aiormq import spec

from common import telemetry
from common.coalescer import alone
from common.contracts import Message
from common.failpoints import reach
from common.messaging import topology
from common.messaging.acknowledging import Acknowledger
from common.messaging.consumers import Answer
from common.messaging.failures import CannotReach, CannotWork, TryLater
from common.messaging.publishing import PERSISTENT, Writer
from common.messaging.unforeseen import told

MAX_UNKNOWN_FAILURES = 5
"""A handler that raises something nobody foresaw is tried this often, tier by tier, then given up."""
_BACK_OFF_S = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
_THIRD_DELIVERY = 2

log = telemetry.logger(__name__)
worked = telemetry.counter("bus_worked", "Deliveries by queue and outcome.", ("queue", "outcome"))
handling = telemetry.histogram("bus_handling_seconds", "From delivery to acknowledgement.", ("queue",))


class Outcome(Enum):
    """What becomes of a delivery."""

    DONE = "done"
    RETRIED = "retried"
    DEAD = "dead"


class Deliveries:
    """Works deliveries: one running task per message, whatever happens to its connection."""

    def __init__(
        self, publish: Callable[[Message], Awaitable[None]], writer: Writer, answered_failpoint: str | None = None
    ) -> None:
        self._publish = publish
        self._writer = writer
        self._answered_failpoint = answered_failpoint
        self._acknowledger = Acknowledger()
        self._running: dict[tuple[str, str], asyncio.Future[Outcome]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._stuck = 0
        self.stopping = asyncio.Event()

    @property
    def stuck(self) -> int:
        """How many deliveries wait for something that is away; not ready while there are any."""
        return self._stuck

    def begin(
        self, queue: str, raw: AbstractIncomingMessage, run: Callable[[], Awaitable[Answer]]
    ) -> "asyncio.Task[None]":
        """Work one delivery to its end and tell the broker, in a task that outlives the delivery's connection."""
        task = asyncio.create_task(self._work(queue, raw, run))
        self._telling.add(task)
        task.add_done_callback(self._told)
        return task

    async def _work(self, queue: str, raw: AbstractIncomingMessage, run: Callable[[], Awaitable[Answer]]) -> None:
        started = time.perf_counter()
        key = (queue, raw.message_id or str(raw.delivery_tag))
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.get_running_loop().create_future()
            try:
                outcome = await self._run(queue, raw, run)
                running.set_result(outcome)
            except BaseException as error:
                running.set_exception(error)
                running.exception()  # a redelivery may wait for it, or nobody
                raise
            finally:
                del self._running[key]
        else:
            outcome = await asyncio.shield(running)
        assert raw.delivery_tag is not None
        if outcome is Outcome.DEAD:
            await self._acknowledger.reject(raw.channel, raw.delivery_tag)
        else:
            self._acknowledger.done(raw.channel, raw.delivery_tag)
        worked.inc(queue, outcome.value)
        handling.observe(time.perf_counter() - started, queue)

    def _told(self, task: "asyncio.Task[None]") -> None:
        self._telling.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Stopping, or its channel died before it could be rejected: either way the delivery returns.
            log.info("delivery_left", reason=type(task.exception()).__name__)

    async def drain(self, timeout_s: float) -> None:
        """Let running work finish; what waits for something away is left for the next process."""
        self.stopping.set()
        if self._telling:
            await asyncio.wait(list(self._telling), timeout=timeout_s)

    async def _run(self, queue: str, raw: AbstractIncomingMessage, run: Callable[[], Awaitable[Answer]]) -> Outcome:
        headers = raw.headers or {}
        alone.set(int(str(headers.get("x-delivery-count", 0))) >= _THIRD_DELIVERY)
        try:
            answer = await self._reaching(queue, run)
            messages = [answer] if isinstance(answer, Message) else list(answer or ())
            if len(messages) == 1:
                await self._say(queue, messages[0])
            elif messages:
                await asyncio.gather(*(self._say(queue, message) for message in messages))
            if messages and self._answered_failpoint:
                reach(self._answered_failpoint)
        except TryLater as later:
            return await self._later(queue, raw, later.after_ms, str(later), unforeseen=False)
        except CannotWork as error:
            _dead_letter(queue, raw, str(error))
            return Outcome.DEAD
        except Exception as error:  # noqa: BLE001 - it is tried again, and shown
            shown = told(error)
            log.error("handler_failed", queue=queue, message_id=raw.message_id, type=raw.type, **shown)  # noqa: TRY400
            return await self._later(queue, raw, 1_000, type(error).__name__, unforeseen=True)
        return Outcome.DONE

    async def _say(self, queue: str, message: Message) -> None:
        async def publish() -> None:
            await self._publish(message)

        await self._reaching(queue, publish)

    async def _reaching(self, queue: str, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run it until what it needs answers."""
        failures = 0
        try:
            while True:
                try:
                    return await run()
                except CannotReach as error:
                    if self.stopping.is_set():
                        raise
                    if failures == 0:
                        self._stuck += 1
                        log.warning("cannot_reach", queue=queue, reason=str(error))
                    pause_s = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)] * random.uniform(0.5, 1.5)  # noqa: S311
                    failures += 1
                    await asyncio.sleep(pause_s)
        finally:
            if failures:
                self._stuck -= 1

    async def _later(
        self, queue: str, raw: AbstractIncomingMessage, after_ms: int, reason: str, *, unforeseen: bool
    ) -> Outcome:
        """Put the message into a retry tier, confirmed, before its delivery is acknowledged."""
        attempt = int(str((raw.headers or {}).get("x-attempt", 0))) + 1
        if unforeseen and attempt > MAX_UNKNOWN_FAILURES:
            _dead_letter(queue, raw, reason)
            return Outcome.DEAD
        tiers = list(topology.RETRY_TIERS_MS.items())
        if unforeseen:
            tier = tiers[min(attempt - 1, len(tiers) - 1)][0]
        else:
            tier = next((name for name, ttl_ms in tiers if ttl_ms >= after_ms), tiers[-1][0])

        async def publish() -> None:
            await self._writer.write(
                raw.body,
                exchange=topology.RETRY,
                routing_key=f"{tier}.{queue}",
                properties=spec.Basic.Properties(
                    content_type="application/json",
                    delivery_mode=PERSISTENT,
                    message_id=raw.message_id,
                    message_type=raw.type,
                    headers={"x-attempt": attempt},
                ),
                mandatory=True,
                timeout_s=5,
            )

        await self._reaching(queue, publish)
        log.info("retried", queue=queue, message_id=raw.message_id, tier=tier, attempt=attempt, reason=reason)
        return Outcome.RETRIED


def _dead_letter(queue: str, raw: AbstractIncomingMessage, reason: str) -> None:
    log.error("dead_letter", queue=queue, message_id=raw.message_id, type=raw.type, reason=reason)
