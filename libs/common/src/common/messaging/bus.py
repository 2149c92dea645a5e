"""The bus of one service process: FastStream's RabbitBroker with every option spelled out.

Handlers know nothing of it: they take a message and return messages (:class:`Consumers`).
"""

import asyncio
from typing import Any

from aio_pika import RobustConnection
from aio_pika.exceptions import AMQPError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue

from common import telemetry
from common.contracts import Message
from common.ids import new_id
from common.messaging import topology
from common.messaging.consumers import Answer, Consumers, Handler
from common.messaging.consuming import Deliveries
from common.messaging.declaring import declare
from common.messaging.failures import CannotReach, CannotWork
from common.messaging.publishing import Writer
from common.messaging.running import Runner
from common.messaging.wire import decode

_RECONNECT_S = 0.5
HINT_QUEUE_PREFIX = "hints."
log = telemetry.logger(__name__)


class Bus:
    """Publishes and consumes for one process; heals by itself when the broker comes back."""

    def __init__(
        self, url: str, *, producer: str, drain_s: float = 30, answered_failpoint: str | None = None
    ) -> None:
        """``answered_failpoint`` names the place where an answer is confirmed and its delivery not acknowledged."""
        self.replica = f"{producer}.{new_id().hex}"
        """Names this process incarnation; hint queues carry it."""
        self._drain_s = drain_s
        self._writer = Writer(producer)
        self._deliveries = Deliveries(self.publish, self._writer, answered_failpoint)
        self._broker = RabbitBroker(
            url,
            timeout=5,
            fail_fast=True,
            reconnect_interval=_RECONNECT_S,
            default_channel=Channel(prefetch_count=None, publisher_confirms=True, on_return_raises=False),
            app_id=producer,
            graceful_timeout=drain_s,
            ack_policy=AckPolicy.MANUAL,
            decoder=_raw_body,
            middlewares=(),
            logger=None,
            apply_types=False,
        )
        # The broker's constructor has no parameter for it: this is what it hands to aio-pika.
        self._broker._connection_kwargs["connection_class"] = self._new_connection  # noqa: SLF001
        self._opening: RobustConnection | None = None
        self._writer.broker = self._broker
        self._runners: list[Runner] = []
        self._starting: asyncio.Task[None] | None = None
        self._started = False
        self._paused = False

    def include(self, consumers: Consumers) -> None:
        """Add a service's handlers; before :meth:`start`."""
        for queue, handlers in consumers.work.items():
            by_type = {kind.TYPE: handler for kind, handler in handlers.items()}
            self._runners.append(Runner(queue, by_type, self._deliveries))
        for kind, handler in consumers.hints.items():
            self._broker.subscriber(
                RabbitQueue(
                    f"{HINT_QUEUE_PREFIX}{self.replica}.{kind.TYPE}",
                    durable=False,
                    exclusive=True,
                    auto_delete=True,
                    routing_key=kind.TYPE,
                ),
                RabbitExchange(topology.HINTS, type=ExchangeType.TOPIC, durable=True, declare=False),
                channel=Channel(prefetch_count=1_000),
                ack_policy=AckPolicy.ACK_FIRST,
                no_reply=True,
            )(_listener(handler))

    async def start(self) -> None:
        """Begin to connect; returns at once, so that a service starts while its broker is away."""
        self._starting = asyncio.create_task(self._connect(), name="bus")

    @property
    def ready(self) -> bool:
        """Connected, and no delivery waits for something that is away."""
        connection: Any = self._broker._connection  # noqa: SLF001 - the broker has no public word for it
        connected = self._started and connection is not None and connection.connected.is_set()
        return bool(connected) and self._deliveries.stuck == 0

    @property
    def connected(self) -> bool:
        """The broker answers."""
        connection: Any = self._broker._connection  # noqa: SLF001
        return bool(self._started and connection is not None and connection.connected.is_set())

    async def publish(self, message: Message, *, timeout_s: float = 5.0) -> None:
        """Publish by type and wait for the broker's confirm. Repeating the same message is harmless.

        Raises:
            CannotReach: certainly not published.
            Unconfirmed: perhaps published.
        """
        await self._writer.publish(message, timeout_s=timeout_s)

    async def hint(self, message: Message) -> None:
        """Publish a hint; a broker that is away loses it, and nothing breaks."""
        try:
            await self.publish(message, timeout_s=1)
        except CannotReach:
            log.debug("hint_lost", type=message.TYPE)

    async def pause(self) -> None:
        """Take no more deliveries; those at hand are finished, and publishing goes on. Harmless to repeat."""
        if self._starting is not None:
            self._starting.cancel()
        if self._started and not self._paused:
            self._paused = True
            await self._cancel_consumers()

    async def stop(self) -> None:
        """Take no more deliveries, finish those at hand within the drain time, close."""
        await self.pause()
        await self._deliveries.drain(self._drain_s)
        await asyncio.sleep(0.05)  # the last acknowledgements are still in the writer
        try:
            await asyncio.wait_for(self._broker.stop(), timeout=5)
        except (AMQPError, TimeoutError, RuntimeError):
            log.debug("broker_not_closed")

    async def _cancel_consumers(self) -> None:
        """Stop deliveries but keep the channels: what is at hand can still be acknowledged."""
        await asyncio.gather(*(runner.cancel() for runner in self._runners))

    async def _connect(self) -> None:
        while True:
            try:
                connection = await self._open()
                channel = await self._broker.config.channel_manager.get_channel()
                await declare(channel)
                await self._broker.start()
                for runner in self._runners:
                    await runner.start(connection)
            except (AMQPError, ConnectionError, TimeoutError, OSError) as error:
                log.warning("broker_away", reason=type(error).__name__)
                await asyncio.sleep(_RECONNECT_S)
            else:
                self._started = True
                log.info("bus_started", replica=self.replica)
                return

    async def _open(self) -> RobustConnection:
        """The broker's connection.

        One that does not come about is closed here. Left to the garbage collector it would be closed by a task made
        in whichever thread that runs, or never.
        """
        try:
            return await self._broker.connect()
        except BaseException:
            if self._opening is not None:
                await self._opening.close()
            raise
        finally:
            self._opening = None

    def _new_connection(self, *args: Any, **kwargs: Any) -> RobustConnection:
        self._opening = RobustConnection(*args, **kwargs)
        return self._opening


async def _raw_body(message: StreamMessage[Any]) -> Any:
    return message.body


def _listener(handler: Handler) -> Handler:
    async def listen(body: bytes) -> Answer:
        try:
            await handler(decode(body).message)
        except CannotWork:
            log.debug("hint_not_understood")
        return None

    return listen
