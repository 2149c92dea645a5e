"""Wires the dispatcher: settings, providers, database, object store, bus, runner, timers."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from common import telemetry
from common.catalogue import Catalogue
from common.catalogue import load as load_catalogue
from common.database import Database
from common.ids import new_id
from common.messaging import CannotReach
from common.messaging.bus import Bus
from common.objects import ObjectStore
from common.sealing import Opener
from common.service import build_app
from dispatcher.callbacks import callback_routes
from dispatcher.consumers import consumers
from dispatcher.domain.breaker import Limits
from dispatcher.hints import Hints
from dispatcher.invariants import watch
from dispatcher.repository.decisions import Decisions
from dispatcher.repository.leases import Leases
from dispatcher.repository.parking import ParkingLot
from dispatcher.repository.progress import Progress
from dispatcher.repository.results import Results
from dispatcher.routing.accounts import accounts
from dispatcher.routing.health import Bulletin
from dispatcher.routing.news import News
from dispatcher.routing.router import Router, Speakers
from dispatcher.running.addresses import Addresses
from dispatcher.running.admission import Admission
from dispatcher.running.attempts import Attempts
from dispatcher.running.bodies import Bodies
from dispatcher.running.commits import Commits
from dispatcher.running.insisting import insist
from dispatcher.running.outputs import Outputs
from dispatcher.running.ownership import Ownership
from dispatcher.running.poller import Poller
from dispatcher.running.runner import Runner
from dispatcher.running.verdicts import Publish, Verdicts
from dispatcher.settings import DispatcherSettings
from dispatcher.sweeper import Sweeper
from dispatcher.timers import repeat
from dispatcher.upstreams import PROTOCOLS
from dispatcher.upstreams.client import Client

log = telemetry.logger(__name__)

_PRUNE_EVERY_S = 600.0
_SHOW_EVERY_S = 1.0
_HEED_EVERY_S = 1.0
_LEAVE_S = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The dispatcher without its bus and its HTTP, as tests and the service put it together."""

    settings: DispatcherSettings
    database: Database
    store: ObjectStore
    client: Client
    router: Router
    poller: Poller
    attempts: Attempts
    runner: Runner
    admission: Admission
    ownership: Ownership
    sweeper: Sweeper
    results: Results
    decisions: Decisions

    async def heed(self) -> None:
        """Act on what the operator has decided about routes. Raises CannotReach."""
        self.router.heed(await self.decisions.read())

    async def start(self) -> None:
        """Open all pools; nothing need be up yet. Renew the lease before any job is taken."""
        await self.database.start()
        await self.store.start()
        await self.client.start()
        self.poller.start()

    async def stop(self) -> None:
        """Hand over what is still open, close. After the timers: a lease renewed later would bind it again."""
        await self.attempts.stop()
        await self.poller.stop()
        try:
            until = asyncio.get_running_loop().time() + _LEAVE_S
            await insist("leave", self.ownership.leave, until)
        except CannotReach:
            pass  # the lease runs out by itself
        await self.client.stop()
        await self.store.stop()
        await self.database.stop()


def assemble(
    settings: DispatcherSettings,
    environ: Mapping[str, str],
    publish: Publish,
    catalogue: Catalogue | None = None,
    tell: Callable[[News], None] = lambda _: None,
) -> Parts:
    """All parts, wired, nothing started. ``tell`` hears of breakers that change.

    Raises BadAccount when a provider's settings make no sense.
    """
    catalogue = catalogue or load_catalogue()
    owner_id = new_id()
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    store = ObjectStore(settings)
    client = Client()
    router = Router(catalogue, upstreams(catalogue, environ, client), _limits(settings), tell=tell)
    results = Results(database)
    commits = Commits(ParkingLot(database, owner_id), Progress(database, owner_id), results)
    verdicts = Verdicts(commits, publish)
    leases = Leases(database, owner_id, settings.lease_s)
    poller = Poller(workers=settings.poll_workers, lost_contact_s=settings.lost_contact_s)
    attempts = Attempts(commits, poller, Outputs(store), _addresses(settings))
    bodies = Bodies(Opener(settings.sealing_keys_file), store)
    runner = Runner(
        router,
        bodies=bodies,
        attempts=attempts,
        commits=commits,
        verdicts=verdicts,
        leases=leases,
        max_running=settings.max_running_jobs,
    )
    decisions = Decisions(database)
    ownership = Ownership(
        leases,
        router,
        runner,
        attempts,
        owner_id=owner_id,
        lease_s=settings.lease_s,
        batch=settings.take_batch,
        overdue_slack_s=settings.overdue_slack_s,
    )
    sweeper = Sweeper(results, verdicts, older_s=settings.republish_after_s, keep_days=settings.keep_days)
    admission = Admission(router, runner, commits, verdicts, leases)
    return Parts(
        settings=settings,
        database=database,
        store=store,
        client=client,
        router=router,
        poller=poller,
        attempts=attempts,
        runner=runner,
        admission=admission,
        ownership=ownership,
        sweeper=sweeper,
        results=results,
        decisions=decisions,
    )


def upstreams(catalogue: Catalogue, environ: Mapping[str, str], client: Client) -> dict[str, Speakers]:
    """For each configured provider, who speaks which protocol with each of its keys."""
    protocols: dict[str, set[str]] = defaultdict(set)
    for model in catalogue.models:
        for route in model.routes:
            protocols[route.provider].add(route.protocol)
    return {
        provider: {
            account: {protocol: PROTOCOLS[protocol](client, account) for protocol in protocols[provider]}
            for account in known
        }
        for provider, known in accounts(environ, protocols).items()
    }


def create_app(settings: DispatcherSettings) -> FastAPI:
    """The service, ready to be served; it connects when it starts."""
    bus = Bus(settings.amqp_url.get_secret_value(), producer="dispatcher", drain_s=_LEAVE_S)
    hints = Hints(bus)
    parts = assemble(settings, os.environ, bus.publish, tell=hints.route_changed)
    bus.include(consumers(parts.admission, parts.router, parts.runner, bus.replica))

    async def work() -> None:
        # Without a lease, the first job taken would at once look like a dead owner's.
        await insist("lease", parts.ownership.renew, float("inf"))
        await bus.start()
        async with asyncio.TaskGroup() as timers:
            timers.create_task(repeat("renew", settings.renew_every_s, parts.ownership.renew))
            timers.create_task(repeat("take", settings.take_every_s, parts.ownership.take))
            timers.create_task(repeat("sweep", settings.sweep_every_s, parts.sweeper.sweep))
            timers.create_task(repeat("prune", _PRUNE_EVERY_S, parts.sweeper.prune))
            timers.create_task(
                repeat("check", settings.check_every_s, lambda: watch(parts.results, settings.overdue_slack_s))
            )
            timers.create_task(repeat("show", _SHOW_EVERY_S, _show(parts.router, hints)))
            timers.create_task(repeat("heed", _HEED_EVERY_S, parts.heed))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        working = asyncio.create_task(work(), name="dispatcher")
        yield
        # Timers go on while jobs are finished: the lease must live, and results must get out.
        await bus.pause()
        await parts.runner.drain(settings.drain_s)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await parts.stop()
        await bus.stop()

    app = build_app(
        "reAPI dispatcher",
        lifespan=lifespan,
        readiness={"database": parts.database.ready, "bus": lambda: bus.ready},
    )
    if addresses := _addresses(settings):
        app.include_router(callback_routes(addresses, parts.router, parts.runner, bus.hint))
    return app


def _addresses(settings: DispatcherSettings) -> Addresses | None:
    if not settings.public_url or settings.callback_secret is None:
        return None
    return Addresses(settings.public_url, settings.callback_secret.get_secret_value().encode()[:64])


def _limits(settings: DispatcherSettings) -> Limits:
    return Limits(
        window_s=settings.breaker_window_s,
        min_failures=settings.breaker_min_failures,
        min_share=settings.breaker_min_share,
        cool_down_s=settings.breaker_cool_down_s,
    )


def _show(router: Router, hints: Hints) -> Callable[[], Awaitable[None]]:
    bulletin = Bulletin()

    async def show() -> None:
        router.show()
        for provider, model, health, new in bulletin.news(router.health(), time.monotonic()):
            if new:
                log.info("route_health", provider=provider, model=model, state=health.value)
            hints.route_health(provider, model, health)

    return show
