"""Takes deliveries of one work queue straight from aio-pika, on the broker's own connection.

FastStream's way of a delivery (context scopes, parsing, a stack of middlewares) took 6 to 8 % of a whole job's CPU
in runs side by side; a handler does not notice which of the two calls it. The robust channel and queue take
themselves up again after a reconnect.
"""

import asyncio
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from common import telemetry
from common.messaging.consumers import Answer, Handler
from common.messaging.consuming import Deliveries
from common.messaging.failures import CannotWork
from common.messaging.topology import Queue
from common.messaging.wire import decode

_CANCEL_S = 2.0
log = telemetry.logger(__name__)


class Runner:
    """One queue, one channel, one consumer."""

    def __init__(self, queue: Queue, handlers: dict[str, Handler], deliveries: Deliveries) -> None:
        self._queue = queue
        self._handlers = handlers
        self._deliveries = deliveries
        self._channel: AbstractRobustChannel | None = None
        self._consuming: Any = None
        self._tag: str | None = None

    async def start(self, connection: AbstractRobustConnection) -> None:
        """Take deliveries from now on, at most ``prefetch`` unacknowledged ones at a time."""
        if self._tag is not None:
            return  # a start that broke off at a later queue is begun again
        if self._channel is None:
            self._channel = await connection.channel(publisher_confirms=False)
            await self._channel.set_qos(prefetch_count=self._queue.prefetch)
        self._consuming = await self._channel.declare_queue(self._queue.name, passive=True)
        self._tag = await self._consuming.consume(self._on_delivery)

    async def cancel(self) -> None:
        """Take no more; the channel stays, for what is at hand can still be acknowledged."""
        if self._tag is None:
            return
        try:
            await asyncio.wait_for(self._consuming.cancel(self._tag), timeout=_CANCEL_S)
        except (AMQPError, TimeoutError, RuntimeError):
            log.debug("consumer_not_cancelled", queue=self._queue.name)

    async def _on_delivery(self, raw: AbstractIncomingMessage) -> None:
        # Begun, not awaited: this task dies with its connection, the work must not.
        self._deliveries.begin(self._queue.name, raw, lambda: self._work(raw.body))

    async def _work(self, body: bytes) -> Answer:
        delivery = decode(body)
        message = delivery.message
        handler = self._handlers.get(message.TYPE)
        if handler is None:
            raise CannotWork(f"no handler for {message.TYPE} here")
        telemetry.continue_trace(delivery.traceparent)
        with telemetry.span(message.TYPE, job_id=message.job_id.hex):
            return await handler(message)
