"""Acknowledges deliveries of one channel in few frames.

Deliveries finish in any order. Everything that finished in one turn of the event loop is acknowledged together:
the longest finished prefix in one ``multiple`` frame, the rest one by one, so that a slow neighbour holds up
nobody. One consumer per channel, because a ``multiple`` acknowledgement speaks for the whole channel; and it must
name a tag that is still open, or the broker closes the channel.
"""

import asyncio
from weakref import WeakKeyDictionary

from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError

from common.messaging.failures import CannotReach

CHANNEL_LOST = (AMQPError, ConnectionError, RuntimeError)
"""What a channel raises when it is gone (its "invalid state" is a RuntimeError)."""


class Acknowledger:
    """Collects finished deliveries per channel; a new connection's channel starts afresh at tag 1."""

    def __init__(self) -> None:
        self._channels: WeakKeyDictionary[AbstractChannel, _Tags] = WeakKeyDictionary()

    def done(self, channel: AbstractChannel, tag: int) -> None:
        """This delivery is worked; tell the broker soon. A dead channel is ignored: its deliveries return."""
        self._tags(channel).finish(tag)

    async def reject(self, channel: AbstractChannel, tag: int) -> None:
        """This delivery can never be worked: to the dead-letter queue.

        Raises:
            CannotReach: the channel died first; the delivery will return.
        """
        try:
            await channel.basic_reject(tag, requeue=False, wait=False)
        except CHANNEL_LOST as error:
            raise CannotReach(f"broker: {type(error).__name__}") from None
        self._tags(channel).answered.add(tag)

    def _tags(self, channel: AbstractChannel) -> "_Tags":
        tags = self._channels.get(channel)
        if tags is None:
            tags = self._channels[channel] = _Tags(channel)
        return tags


class _Tags:
    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._finished: set[int] = set()
        self._first_open = 1
        self.answered: set[int] = set()
        """Tags above the prefix the broker already has an answer for."""
        self._flush: asyncio.Task[None] | None = None

    def finish(self, tag: int) -> None:
        self._finished.add(tag)
        if self._flush is None:
            self._flush = asyncio.create_task(self._send())

    async def _send(self) -> None:
        await asyncio.sleep(0)
        try:
            while self._finished:
                last_of_prefix, singles = self._take()
                if last_of_prefix:
                    await self._channel.basic_ack(last_of_prefix, multiple=True, wait=False)
                for tag in singles:
                    await self._channel.basic_ack(tag, wait=False)
        except CHANNEL_LOST:
            self._finished.clear()  # the channel is gone, and its deliveries come again on another
        finally:
            self._flush = None

    def _take(self) -> tuple[int, list[int]]:
        """The open tag that ends the finished prefix (0: none), and finished tags above it."""
        end, last_of_prefix = self._first_open, 0
        while True:
            if end in self._finished:
                self._finished.discard(end)
                last_of_prefix = end
            elif end in self.answered:
                self.answered.discard(end)
            else:
                break
            end += 1
        self._first_open = end
        singles = sorted(self._finished)
        self.answered.update(singles)
        self._finished.clear()
        return last_of_prefix, singles
