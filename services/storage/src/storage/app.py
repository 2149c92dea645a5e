"""Wires storage together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from common.database import Database
from common.messaging import Bus
from common.objects import ObjectStore
from common.service import build_app
from storage.consumers import consumers
from storage.handlers.discard import Discard
from storage.handlers.store import Store
from storage.pulling import Puller
from storage.repository import Assets
from storage.settings import Settings
from storage.sweeper import Sweeper


def make_app(settings: Settings) -> FastAPI:
    """The service, ready to be served."""
    database = Database(settings.database_url.get_secret_value(), settings.database_pool_size)
    objects = ObjectStore(settings)
    assets = Assets(database, ttl_s=settings.output_ttl_s)
    puller = Puller(
        objects,
        timeout_s=settings.pull_timeout_s,
        read_timeout_s=settings.pull_read_timeout_s,
        max_image_bytes=settings.max_image_bytes,
        max_video_bytes=settings.max_video_bytes,
        max_per_provider=settings.max_pulls_per_provider,
        max_unsized=settings.max_unsized_pulls,
    )
    store = Store(
        assets,
        puller,
        give_up_after_deadline_s=settings.give_up_after_deadline_s,
        provider_patience_s=settings.provider_patience_s,
    )
    bus = Bus(settings.amqp_url.get_secret_value(), producer="storage", drain_s=settings.drain_s)
    bus.include(consumers(store, Discard(assets, objects)))
    sweeper = Sweeper(assets, objects, settings.sweep_interval_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.start()
        await objects.start()
        await bus.start()
        sweeper.start()
        yield
        await bus.stop()
        await sweeper.stop()
        await puller.close()
        await objects.stop()
        await database.stop()

    return build_app(
        "reAPI storage", lifespan=lifespan, readiness={"bus": lambda: bus.ready, "database": database.ready}
    )
