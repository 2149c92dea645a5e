"""Asks about accepted generations: one timer heap, and a bounded number of open questions for each provider.

The bound is each provider's own: one whose answers hang keeps its own generations waiting and nobody else's.
"""

import asyncio
import heapq
import itertools
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from common import telemetry
from common.failpoints import reach
from dispatcher import metrics
from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Pending, Produced
from dispatcher.domain.polling import pause_s
from dispatcher.upstreams.protocol import CannotAsk

log = telemetry.logger(__name__)

Ask = Callable[[], Awaitable[Pending | Produced]]
Plan = Callable[[int], int]
"""Milliseconds until the next question, by the generation's age in milliseconds."""

_LEAST_PAUSE_S = 1.0
"""However often a provider calls, or somebody in its name: a generation is asked about once in this time."""


@dataclass(slots=True, eq=False)
class Watch:
    """One generation under observation."""

    provider: str
    ask: Ask
    plan: Plan
    began: float
    until: float
    """When nobody wants the result any more."""
    result: "asyncio.Future[Produced]"
    answered: float
    """When the provider last gave a usable answer, or at least a sign that it is there."""
    turn: int = 0
    """Its newest place in the heap; older ones count no more. 0 while it is in its lane or with a worker."""
    due: float = 0.0
    asked: float = 0.0
    hurried: bool = False
    """A call came while it was being asked about: the answer may be older than that."""


@dataclass(slots=True)
class Lane:
    """One provider's due watches, and how many of its workers are busy."""

    due: deque[Watch] = field(default_factory=deque)
    busy: int = 0


class Poller:
    """Polls for results until they are there, or the provider has been silent for too long.

    At most ``workers`` questions are open at one provider. However long it wants peace, it is asked once more
    ``last_ask_s`` before the deadline.
    """

    def __init__(self, *, workers: int, lost_contact_s: float, last_ask_s: float = 5.0) -> None:
        self._workers = workers
        self._lost_contact_s = lost_contact_s
        self._last_ask_s = last_ask_s
        self._heap: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count(1)
        self._lanes: defaultdict[str, Lane] = defaultdict(Lane)
        self._earlier = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: dict[asyncio.Future[Produced], Watch] = {}

    def start(self) -> None:
        """Begin to ask."""
        self._tasks.add(asyncio.create_task(self._tick(), name="poller:clock"))

    async def stop(self) -> None:
        """Ask no more; what is being watched stays unanswered."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def watch(
        self,
        ask: Ask,
        plan: Plan,
        *,
        provider: str,
        until: float,
        age_s: float = 0,
        wish_s: float | None = None,
    ) -> "asyncio.Future[Produced]":
        """The result of a provider's generation of this age, once it is there. Cancel the future to stop asking.

        ``until`` is its deadline in the loop's time. The future raises UpstreamFailed when the generation failed, or
        when contact was lost.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        watch = Watch(provider, ask, plan, now - age_s, until, loop.create_future(), now)
        self._watches[watch.result] = watch
        metrics.polling.set(len(self._watches))
        watch.result.add_done_callback(self._forget)
        # What was taken over in one moment is not asked about in one moment.
        self._schedule(watch, wish_s, share=random.random() if age_s > 0 else 1.0)  # noqa: S311
        return watch.result

    def ask_now(self, result: "asyncio.Future[Produced]") -> None:
        """The provider says that something changed; it is asked about at most once a second all the same."""
        watch = self._watches.get(result)
        if watch is None:
            return
        if watch.turn:
            self._put(watch, max(asyncio.get_running_loop().time(), watch.asked + _LEAST_PAUSE_S))
        else:
            watch.hurried = True

    def _forget(self, result: "asyncio.Future[Produced]") -> None:
        self._watches.pop(result, None)
        metrics.polling.set(len(self._watches))

    def _schedule(self, watch: Watch, wish_s: float | None, share: float = 1.0) -> None:
        now = asyncio.get_running_loop().time()
        planned_s = watch.plan(max(0, int((now - watch.began) * 1000))) / 1000
        due = now + share * pause_s(planned_s, wish_s, random.random())  # noqa: S311 - jitter
        due = min(due, max(watch.until - self._last_ask_s, now + planned_s))
        if watch.hurried:
            watch.hurried = False
            due = min(due, now + _LEAST_PAUSE_S)
        self._put(watch, due)

    def _put(self, watch: Watch, due: float) -> None:
        watch.turn, watch.due = next(self._numbers), due
        heapq.heappush(self._heap, (due, watch.turn, watch))
        if self._heap[0][2] is watch:
            self._earlier.set()

    async def _tick(self) -> None:
        """Hand out what is due. Each watch is in the heap, in its lane or with a worker: never twice."""
        loop = asyncio.get_running_loop()
        while True:
            while self._heap and self._heap[0][0] <= loop.time():
                _, turn, watch = heapq.heappop(self._heap)
                if watch.turn == turn:
                    watch.turn = 0
                    self._hand_out(watch)
            self._earlier.clear()
            pause = self._heap[0][0] - loop.time() if self._heap else None
            try:
                await asyncio.wait_for(self._earlier.wait(), pause)
            except TimeoutError:
                continue

    def _hand_out(self, watch: Watch) -> None:
        lane = self._lanes[watch.provider]
        lane.due.append(watch)
        if lane.busy < self._workers:
            lane.busy += 1
            worker = asyncio.create_task(self._work(lane), name="poller")
            self._tasks.add(worker)
            worker.add_done_callback(self._tasks.discard)

    async def _work(self, lane: Lane) -> None:
        """Ask until nothing is due at this provider."""
        try:
            while lane.due:
                watch = lane.due.popleft()
                if not watch.result.done():
                    await self._ask(watch)
        finally:
            lane.busy -= 1

    async def _ask(self, watch: Watch) -> None:
        reach("D7")
        now = watch.asked = asyncio.get_running_loop().time()
        metrics.poll_lateness.observe(now - watch.due)
        wish_s: float | None = None
        try:
            answer = await watch.ask()
        except CannotAsk as error:
            wish_s = error.wish_s
            if error.reached:
                watch.answered = now
            if now - watch.answered > self._lost_contact_s:
                _fail(watch, UpstreamFailed(FailureClass.UNAVAILABLE, "lost_contact"))
                return
        except UpstreamFailed as error:
            _fail(watch, error)
            return
        except Exception as error:  # noqa: BLE001 - a defect in one adapter must not stop the others' polls
            log.error("poll_defect", error=type(error).__name__)  # noqa: TRY400 - its text may quote the request
            _fail(watch, UpstreamFailed(FailureClass.FAILED_GENERATION, "adapter_defect"))
            return
        else:
            watch.answered = now
            if isinstance(answer, Produced):
                if not watch.result.done():
                    watch.result.set_result(answer)
                return
            wish_s = answer.wish_s
        if not watch.result.done():
            self._schedule(watch, wish_s)


def _fail(watch: Watch, error: UpstreamFailed) -> None:
    if not watch.result.done():
        watch.result.set_exception(error)
        watch.result.exception()  # nobody may be listening any more
