"""Messages on their way out through one channel: written together, confirmed one by one.

The channel's own ``basic_publish`` takes a lock, three contexts, a timer and four callbacks for each message, and
queues it alone. Here everything published in one turn of the event loop is one write. The bookkeeping is the
channel's: it numbers messages as the broker does, and answers the futures in ``confirmations``. So nobody else may
publish on that channel.
"""

import asyncio
from functools import lru_cache

import aiormq
import pamqp.frame
from aiormq import spec
from aiormq.abc import ChannelFrame, DeliveredMessage
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from common.limits import Limits
from common.messaging.failures import CannotReach

MOST_UNANSWERED = 10_000
"""A broker short of memory or disk stops reading, for hours if need be: what is sent to it piles up here."""

Confirmation = spec.Basic.Ack | DeliveredMessage
"""The broker has it, or gives it back because no queue wants it."""


class Outgoing:
    """The only publisher of a channel with confirms."""

    def __init__(self, channel: aiormq.Channel) -> None:
        self.channel = channel
        self._limits = Limits()
        self._unwritten: list[bytes] = []
        self._open: set[asyncio.Future[Confirmation]] = set()
        self._writing: asyncio.Task[None] | None = None
        channel.closing.add_done_callback(self._lose)

    async def publish(
        self,
        body: bytes,
        *,
        exchange: str,
        routing_key: str,
        properties: spec.Basic.Properties,
        mandatory: bool,
        timeout_s: float,
    ) -> Confirmation:
        """Publish one message with a ``message_id``, and wait for the broker's word on it.

        Raises:
            CannotReach: nothing was written: the channel is closed, or the broker left too much unanswered.
            DeliveryError: the broker refuses it.
            TimeoutError: no word within ``timeout_s``.
            ConnectionError: the channel was lost before there was any.
        """
        channel = self.channel
        if channel.is_closed:
            raise CannotReach("broker: the channel is closed")
        if len(channel.confirmations) >= MOST_UNANSWERED:  # also those that nobody waits for any more
            raise CannotReach("broker: does not answer")
        frames = _frames(channel, body, exchange, routing_key, properties, mandatory=mandatory)
        # From here to the frames' place in the line nothing is awaited: the broker counts messages, it reads no tags.
        channel.delivery_tag = tag = channel.delivery_tag + 1
        confirmation = channel.confirmations[tag] = asyncio.get_running_loop().create_future()
        message_id = properties.message_id or ""
        channel.message_id_delivery_tag[message_id] = tag  # a message that comes back is known by nothing else
        self._open.add(confirmation)
        self._unwritten.append(frames)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            with self._limits.of(timeout_s):
                answer: Confirmation = await confirmation
                return answer
        finally:
            self._open.discard(confirmation)
            if channel.message_id_delivery_tag.get(message_id) == tag:
                del channel.message_id_delivery_tag[message_id]

    async def _write(self) -> None:
        """Begun in the turn of the first message, runs in the next: with all that were published by then."""
        try:
            while self._unwritten:
                together = b"".join(self._unwritten)
                self._unwritten.clear()
                await self.channel.write_queue.put(ChannelFrame(payload=together, should_close=False))
        finally:
            self._writing = None

    def _lose(self, _: "asyncio.Future[None]") -> None:
        if self._writing is not None:
            self._writing.cancel()
        for confirmation in self._open:
            if not confirmation.done():
                confirmation.set_exception(ConnectionError("the channel was lost"))


def _frames(
    channel: aiormq.Channel,
    body: bytes,
    exchange: str,
    routing_key: str,
    properties: spec.Basic.Properties,
    *,
    mandatory: bool,
) -> bytes:
    number, most = channel.number, channel.max_content_size
    frames = [
        _method(exchange, routing_key, mandatory, number),
        pamqp.frame.marshal(ContentHeader(properties=properties, body_size=len(body)), number),
    ]
    frames += (
        pamqp.frame.marshal(ContentBody(body[start : start + most]), number) for start in range(0, len(body), most)
    )
    return b"".join(frames)


@lru_cache(maxsize=256)
def _method(exchange: str, routing_key: str, mandatory: bool, number: int) -> bytes:  # noqa: FBT001
    publish = spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    return pamqp.frame.marshal(publish, number)
