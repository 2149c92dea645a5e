"""The broker that tests share, without what earlier tests left in it."""

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity

from common.messaging.topology import Queue


async def empty(amqp_url: str, *queues: Queue) -> None:
    """Drop whatever waits in these queues; one that nobody has declared yet is empty."""
    async with await aio_pika.connect(amqp_url) as connection:
        for queue in queues:
            async with connection.channel() as channel:
                try:
                    await (await channel.declare_queue(queue.name, passive=True)).purge()
                except ChannelNotFoundEntity:
                    continue
