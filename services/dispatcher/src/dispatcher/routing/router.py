"""Which route a job takes: the model's order of preference, what the request needs, and who is well."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from common import telemetry
from common.catalogue import Catalogue, Model, Route
from dispatcher import metrics
from dispatcher.domain.breaker import Breaker, Limits
from dispatcher.domain.failures import Failure
from dispatcher.domain.jobs import Job
from dispatcher.routing.permits import Permit, level
from dispatcher.upstreams.protocol import Account, Upstream

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """A route with somebody who speaks its protocol."""

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
class Choice:
    """A way that may be called once; tell the permit what came of it."""

    way: Way
    permit: Permit

    def failed(self, failure: Failure) -> None:
        """Tell the breaker of a failure, and the operator when that opened it."""
        if self.permit.failed(failure):
            log.warning(
                "breaker_opened", provider=self.way.provider, model=self.way.model.id, failure=failure.kind.value
            )


class Router:
    """Chooses routes and keeps one breaker per (provider, model).

    Breakers are this process' own. What another replica tells about its own reaches them the same way a call of
    ours does, through :meth:`breaker`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        upstreams: Mapping[tuple[str, str], tuple[Upstream, Account]],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._upstreams = upstreams
        self._limits = limits
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def model(self, name: str) -> Model | None:
        """The model a job names; None when this version does not know it."""
        return self._catalogue.find(name)

    def ways(self, job: Job) -> list[Way]:
        """Every configured way that can carry the job, in order of preference. Test jobs have none: they cost
        nobody anything, so no real provider may be called for them.
        """
        model = self.model(job.model)
        if model is None or not job.livemode:
            return []
        return [
            Way(model, route, *self._upstreams[route.provider, route.protocol])
            for route in model.routes_for(job.mode, job.parameters)
            if (route.provider, route.protocol) in self._upstreams
        ]

    def way(self, job: Job, provider: str) -> Way | None:
        """The way of a job through one provider, whatever its breaker says; None if it is no longer configured."""
        return next((way for way in self.ways(job) if way.provider == provider), None)

    def choose(self, job: Job, tried: Collection[str]) -> Choice | None:
        """The first way that its breaker admits, leaving out providers already tried. None: no way is left."""
        for way in self.ways(job):
            if way.provider in tried:
                continue
            breaker = self.breaker(way.provider, way.model.id)
            admission = breaker.admit(self._clock())
            if admission is not None:
                return Choice(way, Permit(breaker, admission, self._clock))
        return None

    def resumed(self, job: Job, provider: str) -> Choice | None:
        """The way of an attempt that was begun by another process; its breaker hears nothing of the begin."""
        way = self.way(job, provider)
        if way is None:
            return None
        return Choice(way, Permit.of_taken(self.breaker(provider, way.model.id), self._clock))

    def breaker(self, provider: str, model: str) -> Breaker:
        """The breaker of one route; bounded by the catalogue's routes."""
        key = (provider, model)
        if key not in self._breakers:
            self._breakers[key] = Breaker(self._limits)
        return self._breakers[key]

    def show(self) -> None:
        """Bring the gauges up to date."""
        for (provider, model), breaker in self._breakers.items():
            metrics.breaker_state.set(level(breaker, self._clock()), provider, model)
