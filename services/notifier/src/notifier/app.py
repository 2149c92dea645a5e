"""Wires the notifier together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from common.database import Database
from common.egress import EgressPolicy
from common.messaging import Bus
from common.service import build_app
from notifier.consumers import consumers
from notifier.secrets import Secrets
from notifier.settings import Settings
from notifier.webhooks.announce import Announce
from notifier.webhooks.posting import Poster
from notifier.webhooks.repository import Deliveries
from notifier.webhooks.sender import Sender


def make_app(settings: Settings) -> FastAPI:
    """The service, ready to be served."""
    database = Database(settings.database_url.get_secret_value(), settings.database_pool_size)
    deliveries = Deliveries(database)
    poster = Poster(
        EgressPolicy.parse(settings.egress_allow_cidrs),
        timeout_s=settings.timeout_s,
    )
    sender = Sender(
        deliveries,
        Secrets(database, settings.secrets_key.get_secret_value()),
        poster,
        schedule_s=settings.retry_after_s,
        max_in_flight=settings.max_in_flight,
        max_per_host=settings.max_per_host,
        poll_interval_s=settings.poll_interval_s,
    )
    bus = Bus(settings.amqp_url.get_secret_value(), producer="notifier", drain_s=settings.drain_s)
    bus.include(consumers(Announce(deliveries, sender)))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.start()
        await poster.start()
        await bus.start()
        sender.start()
        yield
        await bus.stop()
        await sender.stop(settings.drain_s)
        await poster.stop()
        await database.stop()

    return build_app(
        "reAPI notifier", lifespan=lifespan, readiness={"bus": lambda: bus.ready, "database": database.ready}
    )
