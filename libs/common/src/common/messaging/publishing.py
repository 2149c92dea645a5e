"""Publishing by type: destination from the message's class, and no waiting for the socket.

Stock publishing holds the channel's lock until the socket is drained, which under load makes one channel a
queue. Here the frames are queued on the broker's own channel (:mod:`.outgoing`) and only its confirm is awaited.
FastStream's command and its middlewares cost half as much again and have nothing to add, so they are left out.
"""

import asyncio

import aiormq
from aiormq import spec
from aiormq.exceptions import AMQPError, DeliveryError
from faststream.exceptions import FastStreamException
from faststream.rabbit import RabbitBroker

from common import telemetry
from common.contracts import Message
from common.messaging import topology
from common.messaging.failures import CannotReach, Unconfirmed
from common.messaging.outgoing import Outgoing
from common.messaging.wire import encode

PERSISTENT, TRANSIENT = 2, 1
HINT_TTL_MS = 5_000
_STEP_S = 0.05

published = telemetry.counter("bus_published", "Messages confirmed by the broker.", ("type",))


class Writer:
    """Writes frames on the broker's one publishing channel."""

    def __init__(self, producer: str) -> None:
        self.producer = producer
        self.broker: RabbitBroker | None = None
        self._outgoing: Outgoing | None = None

    async def publish(self, message: Message, *, timeout_s: float) -> None:
        """Publish where messages of its type go, and wait for the confirm. Raises as :meth:`write` does."""
        hint = message.HINT
        await self.write(
            encode(message, producer=self.producer, traceparent=telemetry.current_traceparent()),
            exchange=topology.HINTS if hint else topology.JOBS,
            routing_key=message.routing_key,
            properties=spec.Basic.Properties(
                content_type="application/json",
                delivery_mode=TRANSIENT if hint else PERSISTENT,
                message_id=message.key,
                message_type=message.TYPE,
                expiration=str(HINT_TTL_MS) if hint else None,
            ),
            mandatory=not hint,
            timeout_s=timeout_s,
        )
        published.inc(message.TYPE)

    async def write(
        self,
        body: bytes,
        *,
        exchange: str,
        routing_key: str,
        properties: spec.Basic.Properties,
        mandatory: bool,
        timeout_s: float,
    ) -> None:
        """Publish and wait for the confirm.

        Raises:
            CannotReach: nothing was written, or the broker refused it (queue full, no queue): it is not there.
            Unconfirmed: written, but the confirm did not come in ``timeout_s``: it may be there.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        outgoing = self._outgoing
        if outgoing is None or outgoing.channel.is_closed:
            outgoing = self._outgoing = await self._open_channel(deadline)
        left_s = max(0.001, deadline - asyncio.get_running_loop().time())
        try:
            answer = await outgoing.publish(
                body,
                exchange=exchange,
                routing_key=routing_key,
                properties=properties,
                mandatory=mandatory,
                timeout_s=left_s,
            )
        except DeliveryError as error:
            raise CannotReach(f"broker refused {routing_key} ({type(error).__name__})") from None
        except (AMQPError, ConnectionError, TimeoutError, asyncio.CancelledError, RuntimeError) as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled_from_outside():
                raise
            raise Unconfirmed(f"broker did not confirm {routing_key} ({type(error).__name__})") from None
        if not isinstance(answer, spec.Basic.Ack):
            raise CannotReach(f"broker has no queue for {routing_key}")

    async def _open_channel(self, deadline: float) -> Outgoing:
        """The live channel under the robust one; every reconnect brings another."""
        while True:
            try:
                assert self.broker is not None
                # Both wait for a lost connection without an end of their own.
                async with asyncio.timeout_at(deadline):
                    robust = await self.broker.config.channel_manager.get_channel()
                    channel = await robust.get_underlay_channel()
                if isinstance(channel, aiormq.Channel) and not channel.is_closed:
                    # Of several that waited for the channel the first one made it ours.
                    known = self._outgoing
                    return known if known is not None and known.channel is channel else Outgoing(channel)
            except (AMQPError, ConnectionError, TimeoutError, AssertionError, RuntimeError, FastStreamException):
                pass
            if asyncio.get_running_loop().time() + _STEP_S >= deadline:
                raise CannotReach("broker: not connected")
            await asyncio.sleep(_STEP_S)


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
