"""Which route a job takes: the model's order of preference, what the request needs, and who is well and has room."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from common import telemetry
from common.catalogue import Catalogue, Model, Route
from dispatcher import metrics
from dispatcher.domain.breaker import Admission, Breaker, Limits
from dispatcher.domain.breaker import State as BreakerState
from dispatcher.domain.failures import Failure
from dispatcher.domain.jobs import Job
from dispatcher.domain.pace import Pace
from dispatcher.routing.health import Health
from dispatcher.routing.keys import Key, Keyring, Ticket
from dispatcher.routing.news import News, State
from dispatcher.routing.overrides import Override, Overrides
from dispatcher.routing.permits import Line, Opened, Permit, level
from dispatcher.upstreams.protocol import Account, Upstream

log = telemetry.logger(__name__)

Speakers = Mapping[Account, Mapping[str, Upstream]]
"""For each of a provider's accounts, who speaks which protocol."""

_LOOK_AGAIN_S = 5.0
"""A waiter looks at all routes anew this often, whatever it was or was not told."""


@dataclass(frozen=True, slots=True)
class Way:
    """A route with a key, and somebody who speaks its protocol."""

    model: Model
    route: Route
    upstream: Upstream
    account: Account

    @property
    def provider(self) -> str:
        """Whose it is."""
        return self.route.provider

    def upstream_model(self, mode: str) -> str:
        """The provider's id for the model in this mode."""
        return self.route.upstream[mode]


@dataclass(frozen=True, slots=True)
class Full:
    """Every route that is well has all the orders it may have; these providers are waited for."""

    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A way that may be called once; tell it what came of it."""

    way: Way
    permit: Permit
    router: "Router"

    def failed(self, failure: Failure) -> None:
        """Tell the breakers of a failure, and the operator and the other replicas when that opened one."""
        opened = self.permit.failed(failure)
        if opened is not Opened.NOTHING:
            self.router.opened(self.way, opened, failure)

    def delivered(self) -> None:
        """Tell the breakers that the outputs are there."""
        if self.permit.delivered():
            self.router.closed(self.way)


class Router:
    """Chooses routes; keeps one breaker and one pace per (provider, model), and the keys of each provider.

    ``tell`` hears of every breaker that opens or closes here. What other replicas tell of theirs comes in through
    :meth:`hear`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        providers: Mapping[str, Speakers],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[News], None] = lambda _: None,
    ) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._clock = clock
        self._tell = tell
        self._rings = {name: Keyring(speakers, limits, clock) for name, speakers in providers.items()}
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self.overrides = Overrides()

    def model(self, name: str) -> Model | None:
        """The model a job names; None when this version does not know it."""
        return self._catalogue.find(name)

    def routes(self, job: Job) -> list[Route]:
        """Every configured route that can carry the job and is not drained, in the order they are tried. Test jobs
        have none: they cost nobody anything, so no real provider may be called for them.
        """
        model = self.model(job.model)
        if model is None or not job.livemode:
            return []
        able = [
            route
            for route in model.routes_for(job.mode, job.parameters, job.lossy)
            if self._ring_of(route) is not None and not self.overrides.drained(route.provider, model.id)
        ]
        preferred = sorted(able, key=lambda route: not self.overrides.forced(route.provider, model.id))
        return preferred if job.failover else preferred[:1]

    def account(self, job: Job, provider: str) -> Account | None:
        """The account at a provider that a job's outputs may have come from; None if it is no longer configured."""
        return next(
            (ring.keys[0].account for route in self._of(job, provider) if (ring := self._ring_of(route))), None
        )

    def choose(self, job: Job, tried: Collection[str], ticket: Ticket | None = None) -> Choice | Full | None:
        """The first route that is well and has room, leaving out providers already tried. None: no way is left.

        A route that is slow against its own habit is passed over while another one is well. So is one that is full:
        nobody waits for room while there is room elsewhere. ``ticket`` is that of a waiter who was called.
        """
        model = self.model(job.model)
        routes = [route for route in self.routes(job) if route.provider not in tried]
        if model is None or not routes:
            return None
        full: list[str] = []
        for route in self._by_pace(model, routes):
            ring, breaker = self._rings[route.provider], self.breaker(route.provider, model.id)
            forced = self.overrides.forced(route.provider, model.id)
            if not (forced or breaker.may_admit(self._clock())) or not ring.well(model.id):
                continue
            called = ticket is not None and ticket.promise is not None and ticket.promise[0] is ring
            if called and ticket is not None:
                ticket.redeem()
            key = ring.room(model.id, called=called)
            if key is None:
                full.append(route.provider)
                continue
            admission = breaker.admit(self._clock()) or Admission(probe=False, number=0)
            line = Line(model.id, breaker, self.pace(route.provider, model.id), ring, key)
            kind = f"{job.mode}:{model.sku(job.mode, job.parameters)}:{model.price.quantity(job.parameters, 1)}"
            return self._chosen(model, route, key, Permit(line, admission, ring.take(key), self._clock, kind))
        return Full(tuple(full)) if full else None

    async def wait(self, job: Job, tried: Collection[str], until: float) -> Choice | None:
        """The first route that is well, once it has room. None: no way is left, or not before ``until``."""
        loop = asyncio.get_running_loop()
        choice = self.choose(job, tried)
        began = self._clock()
        while isinstance(choice, Full):
            left_s = until - loop.time()
            if left_s <= 0:
                return None
            ticket = Ticket(job.kind, job.account_id, loop.create_future())
            for provider in choice.providers:
                self._rings[provider].wait(ticket)
            try:
                async with asyncio.timeout(min(left_s, _LOOK_AGAIN_S)):
                    await ticket.called
            except TimeoutError:
                pass
            try:
                choice = self.choose(job, tried, ticket)
            finally:
                self._leave(ticket)
        metrics.waited_seconds.observe(self._clock() - began, job.kind)
        return choice

    def resumed(self, job: Job, provider: str, label: str | None) -> Choice | None:
        """The way of an attempt that was begun by another process; its breaker hears nothing of the begin."""
        model = self.model(job.model)
        route = next(iter(self._of(job, provider)), None)
        ring = None if route is None else self._ring_of(route)
        if model is None or route is None or ring is None:
            return None
        key = ring.labelled(label)
        line = Line(model.id, self.breaker(provider, model.id), self.pace(provider, model.id), ring, key)
        return self._chosen(model, route, key, Permit.of_taken(line, self._clock))

    def speakers(self, provider: str) -> list[Upstream]:
        """Everybody who speaks to a provider."""
        ring = self._rings.get(provider)
        return [] if ring is None else [speaker for key in ring.keys for speaker in key.speakers.values()]

    def breaker(self, provider: str, model: str) -> Breaker:
        """The breaker of one route; bounded by the catalogue's routes."""
        return self._breakers.setdefault((provider, model), Breaker(self._limits))

    def pace(self, provider: str, model: str) -> Pace:
        """The pace of one route."""
        return self._paces.setdefault((provider, model), Pace())

    def opened(self, way: Way, opened: Opened, failure: Failure) -> None:
        """A call of ours opened a breaker: who waits for that route looks elsewhere, the others hear of it."""
        now, ring = self._clock(), self._rings[way.provider]
        if opened is Opened.KEY:
            model, left_s = "", ring.labelled(way.account.label).breaker.left_s(now)
        else:
            model, left_s = way.model.id, self.breaker(way.provider, way.model.id).left_s(now)
        log.warning("breaker_opened", provider=way.provider, model=model or "all", failure=failure.kind.value)
        self._tell(News(way.provider, model, way.account.label, State.OPEN, left_s))
        ring.recall()

    def closed(self, way: Way) -> None:
        """A probe of ours closed what was open."""
        log.info("breaker_closed", provider=way.provider, model=way.model.id)
        self._tell(News(way.provider, way.model.id, way.account.label, State.CLOSED))
        self._rings[way.provider].serve()

    def hear(self, news: News) -> None:
        """Another replica's breaker has opened or closed; ours follows. News of what is unknown here says nothing."""
        ring, model = self._rings.get(news.provider), self.model(news.model) if news.model else None
        if ring is None or (news.model and model is None):
            return
        keys = [key.breaker for key in ring.keys if key.account.label == news.key]
        breakers = [self.breaker(news.provider, model.id)] if model else []
        if news.state is State.OPEN:
            for breaker in breakers or keys:
                breaker.open_for(min(news.for_s, self._limits.quota_cool_down_s), self._clock())
            ring.recall()
            return
        for breaker in breakers + keys:
            breaker.close()
        ring.serve()

    def heed(self, overrides: Iterable[Override]) -> None:
        """Act on the operator's decisions; who waits looks again when they changed."""
        if self.overrides.set(overrides):
            log.info("route_decisions_changed")
            for ring in self._rings.values():
                ring.recall()

    def health(self) -> dict[tuple[str, str], Health]:
        """How well each configured (provider, model) is."""
        return {
            (route.provider, model.id): self._health_of(route.provider, model.id)
            for model in self._catalogue.models
            for route in model.routes
            if self._ring_of(route) is not None
        }

    def _health_of(self, provider: str, model: str) -> Health:
        now = self._clock()
        state = self.breaker(provider, model).state(now)
        if self.overrides.drained(provider, model):
            return Health.DRAINED
        if state is BreakerState.OPEN or not self._rings[provider].well(model):
            return Health.RESTING
        if state is BreakerState.HALF_OPEN:
            return Health.PROBING
        return Health.SLOW if self.pace(provider, model).is_slow(now) else Health.WELL

    def show(self) -> None:
        """Bring the gauges up to date."""
        now = self._clock()
        for (provider, model), breaker in self._breakers.items():
            metrics.breaker_state.set(level(breaker, now), provider, model)
            metrics.slow_routes.set(int(self.pace(provider, model).is_slow(now)), provider, model)
        for provider, ring in self._rings.items():
            metrics.usable_keys.set(sum(key.breaker.may_admit(now) for key in ring.keys), provider)
            metrics.open_orders.set(sum(key.open for key in ring.keys), provider)

    def _by_pace(self, model: Model, routes: list[Route]) -> list[Route]:
        """The same routes, those that are slow behind the others; a forced one stays where it is."""
        now = self._clock()
        return sorted(
            routes,
            key=lambda route: (
                not self.overrides.forced(route.provider, model.id)
                and self.pace(route.provider, model.id).is_slow(now)
            ),
        )

    def _of(self, job: Job, provider: str) -> list[Route]:
        model = self.model(job.model)
        return [route for route in model.routes if route.provider == provider] if model and job.livemode else []

    def _ring_of(self, route: Route) -> Keyring | None:
        ring = self._rings.get(route.provider)
        return ring if ring is not None and ring.speaks(route.protocol) else None

    def _chosen(self, model: Model, route: Route, key: Key, permit: Permit) -> Choice:
        return Choice(Way(model, route, key.speakers[route.protocol], key.account), permit, self)

    def _leave(self, ticket: Ticket) -> None:
        """A waiter that goes makes room for the next one."""
        if not ticket.called.done():
            ticket.called.cancel()
        if ticket.promise is not None:
            ring, _ = ticket.promise
            ticket.redeem()
            ring.serve()
