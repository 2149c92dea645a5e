"""Wires billing: settings, database, bus, timers, routes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from psycopg import ProgrammingError

from billing.consumers import consumers
from billing.domain.quotes import Quotes
from billing.handlers.control import Control
from billing.handlers.hold import HoldPrice
from billing.handlers.settle import Settle
from billing.invariants import watch
from billing.payments import offers
from billing.payments.parts import Payments
from billing.payments.routes import offers_api, payments_api, webhook_api
from billing.repository.accounts import Accounts
from billing.repository.holds import Holds
from billing.repository.price_changes import PriceChanges
from billing.repository.prices import Prices
from billing.repository.reservations import Reservations
from billing.repository.settlements import Settlements
from billing.repository.starting import StartingCredits
from billing.routes import authorized_by, internal_api, sign_up_api
from billing.seeding import proposed_prices
from billing.settings import BillingSettings
from billing.sweeper import Sweeper
from billing.timer import repeat
from common import telemetry
from common.credits import MICROUSD_PER_CREDIT
from common.database import Database
from common.messaging import CannotReach
from common.messaging.bus import Bus
from common.service import build_app

_START_RETRY_S = 0.5

log = telemetry.logger(__name__)


def create_app(settings: BillingSettings) -> FastAPI:
    """The service, ready to be served; it connects when it starts."""
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    bus = Bus(
        settings.amqp_url.get_secret_value(), producer="billing", drain_s=settings.drain_s, answered_failpoint="B4"
    )
    reservations = Reservations(database)
    settle = Settle(Settlements(database), reservations)
    prices = Prices(database)
    token = settings.internal_token.get_secret_value()
    quotes = Quotes(token)
    bus.include(
        consumers(
            HoldPrice(Holds(database, settings.expire_after_deadline_s, settings.max_open_holds), quotes),
            settle,
            Control(settle, reservations),
        )
    )
    sweeper = Sweeper(settle, reservations, bus.publish)
    offered = offers.load()
    payments = Payments.of(settings, database, offered) if settings.stripe_api_key.get_secret_value() else None
    proposed = proposed_prices()

    async def work() -> None:
        # No message is taken before there are prices: what has no price is refused for good.
        await _seed_until_done(prices, proposed)
        await bus.start()
        async with asyncio.TaskGroup() as timers:
            timers.create_task(repeat("sweep", settings.sweep_every_s, sweeper.sweep))
            timers.create_task(repeat("invariants", settings.check_every_s, lambda: watch(database)))
            if payments is not None:
                timers.create_task(payments.prepare())
                timers.create_task(payments.inbox.run())
                timers.create_task(repeat("topups", settings.sweep_every_s, payments.topping_up.run))
                timers.create_task(repeat("reconcile", settings.reconcile_every_s, payments.reconciler.run))

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            # A process that answers /healthz and does nothing helps nobody: let the supervisor start another.
            log.critical("billing_cannot_go_on", error=repr(error))
            os.kill(os.getpid(), signal.SIGTERM)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.start()
        working = asyncio.create_task(work(), name="billing")
        working.add_done_callback(ended)
        yield
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await bus.stop()
        if payments is not None:
            await payments.client.stop()
        await database.stop()

    app = build_app(
        "reAPI billing", lifespan=lifespan, readiness={"database": database.ready, "bus": lambda: bus.ready}
    )
    inside = authorized_by(token)
    app.include_router(internal_api(Accounts(database), prices, PriceChanges(database), quotes, inside))
    starting = StartingCredits(
        database, settings.starting_credits * MICROUSD_PER_CREDIT, settings.starting_credits_a_day
    )
    app.include_router(sign_up_api(starting, token, inside))
    app.include_router(offers_api(offered, inside))
    app.include_router(payments_api(payments, inside))
    if payments is not None:
        app.include_router(webhook_api(payments))
    app.add_exception_handler(CannotReach, _unavailable)
    return app


async def _seed_until_done(prices: Prices, proposed: Mapping[str, int]) -> None:
    """Seed the price book; a database that is away, or not migrated yet, is waited for."""
    while True:
        try:
            added = await prices.seed(proposed)
        except (CannotReach, ProgrammingError) as error:
            log.warning("waiting_for_database", reason=type(error).__name__)
            await asyncio.sleep(_START_RETRY_S)
        else:
            log.info("prices_seeded", added=added)
            return


async def _unavailable(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the database does not answer"}, 503, {"retry-after": "1"})
