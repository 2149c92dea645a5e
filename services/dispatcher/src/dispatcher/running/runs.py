"""One job while this process runs it: what was tried, what is open, what was made."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from common import clock
from common.contracts import GeneratedOutput
from dispatcher.domain.failures import Failure, FailureClass
from dispatcher.domain.jobs import Job
from dispatcher.repository.rows import Opening
from dispatcher.routing.router import Choice, Way
from dispatcher.running.bodies import OpenBody

MAX_ATTEMPTS = 20
"""Far more than any model has routes; several outputs may take several calls of one route."""
MAX_FAILED_GENERATIONS = 2
"""An accepted order that fails is tried once more elsewhere, not all the way down the list."""


@dataclass(frozen=True, slots=True)
class Made:
    """One output in hand, and whose it is."""

    provider: str
    output: GeneratedOutput

    def dump(self) -> dict[str, Any]:
        """As it is kept in the job's row."""
        return {"provider": self.provider, "output": self.output.model_dump(mode="json", exclude_none=True)}

    @classmethod
    def load(cls, kept: dict[str, Any]) -> "Made":
        """The inverse of :meth:`dump`."""
        return cls(kept["provider"], GeneratedOutput.model_validate(kept["output"]))


@dataclass(slots=True, eq=False)
class Attempt:
    """One order at one provider. ``started``, ``failed_at`` and a run's ``began`` are times of ``perf_counter``."""

    number: int
    choice: Choice
    asked: int
    first_index: int
    started: float
    failed_at: float | None = None
    """When the failing answer came that this attempt makes up for."""
    cost_microusd: int | None = None
    """What the provider says it charged."""
    silent: bool = False
    """It has said nothing for so long that a rival was thought of."""
    polled: "asyncio.Future[Any] | None" = None
    reference: dict[str, str] | None = None

    @property
    def way(self) -> Way:
        """Where it goes."""
        return self.choice.way

    def opening(self, mode: str) -> Opening:
        """Its row."""
        return Opening(self.number, self.way.provider, self.way.upstream_model(mode), self.asked, self.first_index)


@dataclass(frozen=True, slots=True)
class Hung:
    """A submit has not answered for a while; it stays open."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt ended without outputs; the failing answer came at ``at``."""

    attempt: Attempt
    failure: Failure
    at: float


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt's outputs are in hand (inline ones in the object store)."""

    attempt: Attempt
    made: tuple[Made, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Another process owns the job now."""


Event = Hung | Failed | Succeeded | Lost


@dataclass(slots=True, eq=False)
class Run:
    """A job's run. Attempts tell it events; the runner alone reads them and decides."""

    job: Job
    generation: int
    sealed: str | None
    deadline: float
    """In the loop's time."""
    began: float = field(default_factory=time.perf_counter)
    attempts: int = 0
    made: list[Made] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    barred: bool = False
    """No further route may be tried: what became of an earlier order cannot be known."""
    failed_generations: int = 0
    last_failure: Failure | None = None
    open: dict[int, Attempt] = field(default_factory=dict)
    winner: Attempt | None = None
    waits_for_room: bool = False
    settled: bool = False
    body: OpenBody | None = None
    """Open while submits need it; a job that is only polled holds none of it in memory."""
    staged: tuple[str, ...] = ()
    events: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)

    @classmethod
    def of(cls, job: Job, generation: int, sealed: str | None) -> "Run":
        """A run with its deadline on the loop's clock."""
        left_s = (job.deadline_at - clock.now()).total_seconds()
        return cls(job, generation, sealed, asyncio.get_running_loop().time() + left_s)

    @property
    def missing(self) -> int:
        """How many outputs are still wanted."""
        return self.job.outputs - len(self.made)

    @property
    def can_be_left(self) -> bool:
        """True while all there is to do is ask again now and then, or wait for room: another process can do that."""
        return self.waits_for_room or (self.winner is not None and self.winner.polled is not None)

    def left_s(self) -> float:
        """Seconds to the deadline."""
        return self.deadline - asyncio.get_running_loop().time()

    def begin(self, choice: Choice, failed_at: float | None = None) -> Attempt:
        """The next attempt."""
        self.attempts += 1
        self.tried.add(choice.way.provider)
        return self.enter(
            Attempt(
                number=self.attempts,
                choice=choice,
                asked=min(self.missing, choice.way.route.outputs_per_call),
                first_index=len(self.made),
                started=time.perf_counter(),
                failed_at=failed_at,
            )
        )

    def enter(self, attempt: Attempt) -> Attempt:
        """Count an attempt among the open ones."""
        self.open[attempt.number] = attempt
        return attempt

    def claim(self, attempt: Attempt) -> bool:
        """Whether this attempt's answer is the one that counts: the first one, and not after the verdict.

        Nor after another attempt delivered a part: its outputs would bear the numbers of those.
        """
        if self.settled or (self.winner is not None and self.winner is not attempt):
            return False
        if attempt.first_index != len(self.made):
            return False
        self.winner = attempt
        return True

    def close(self, attempt: Attempt) -> None:
        """The attempt has ended."""
        self.open.pop(attempt.number, None)
        if self.winner is attempt:
            self.winner = None

    def note(self, failure: Failure) -> None:
        """Remember why; a hung submit's late end says less than what came after it."""
        if self.last_failure is None or failure.kind is not FailureClass.AMBIGUOUS:
            self.last_failure = failure
        if failure.kind is FailureClass.FAILED_GENERATION:
            self.failed_generations += 1

    def may_go_on(self, failure: Failure, *, ambiguous_too: bool) -> bool:
        """Whether another provider may be asked after this failure."""
        if failure.kind.final or self.attempts >= MAX_ATTEMPTS:
            return False
        if failure.kind is FailureClass.AMBIGUOUS:
            return ambiguous_too
        return self.failed_generations < MAX_FAILED_GENERATIONS

    def tell(self, event: Event) -> None:
        """Let the runner know."""
        if not self.settled:
            self.events.put_nowait(event)
