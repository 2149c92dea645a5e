"""Makes the broker look like :mod:`common.messaging.topology`; safe to repeat from every replica."""

import aio_pika
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from common.messaging import topology
from common.messaging.topology import Queue


def queue_arguments(queue: Queue) -> FieldTable:
    """Arguments of a work queue: quorum, bounded, dead-lettering at least once."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": topology.DELIVERY_LIMIT,
        "x-max-length": queue.max_length,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": topology.DEAD,
        "x-dead-letter-routing-key": queue.name,
        "x-dead-letter-strategy": "at-least-once",
    }


def dead_arguments() -> FieldTable:
    """Arguments of a dead-letter queue: kept 14 days, consumed by nobody."""
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": topology.DEAD_LETTER_TTL_MS,
        "x-max-length": topology.DEAD_LETTER_MAX_LENGTH,
        "x-overflow": "reject-publish",
    }


def tier_arguments(ttl_ms: int) -> FieldTable:
    """Arguments of a retry tier: a message waits there, then returns to its queue by its routing key."""
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": ttl_ms,
        "x-max-length": topology.DEAD_LETTER_MAX_LENGTH,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": topology.REDELIVER,
        "x-dead-letter-strategy": "at-least-once",
    }


async def declare(channel: AbstractChannel) -> None:
    """Declare every exchange, queue and binding of the topology.

    Raises:
        aio_pika.exceptions.ChannelPreconditionFailed: a queue of that name exists with other arguments.
    """
    kinds = {
        topology.JOBS: ExchangeType.TOPIC,
        topology.HINTS: ExchangeType.TOPIC,
        topology.DEAD: ExchangeType.DIRECT,
        topology.RETRY: ExchangeType.TOPIC,
        topology.REDELIVER: ExchangeType.TOPIC,
    }
    exchanges: dict[str, aio_pika.abc.AbstractExchange] = {}
    for name, kind in kinds.items():
        exchanges[name] = await channel.declare_exchange(name, kind, durable=True)
    for tier, ttl_ms in topology.RETRY_TIERS_MS.items():
        waiting = await channel.declare_queue(f"retry.{tier}", durable=True, arguments=tier_arguments(ttl_ms))
        await waiting.bind(exchanges[topology.RETRY], routing_key=f"{tier}.#")
    for queue in topology.QUEUES:
        dead = await channel.declare_queue(queue.dead, durable=True, arguments=dead_arguments())
        await dead.bind(exchanges[topology.DEAD], routing_key=queue.name)
        work = await channel.declare_queue(queue.name, durable=True, arguments=queue_arguments(queue))
        for key in queue.bindings:
            await work.bind(exchanges[topology.JOBS], routing_key=key)
        await work.bind(exchanges[topology.REDELIVER], routing_key=f"*.{queue.name}")
