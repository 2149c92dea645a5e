"""Asks about accepted generations: one timer heap, a fixed number of workers, however many there are."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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


@dataclass(slots=True, eq=False)
class Watch:
    """One generation under observation."""

    ask: Ask
    plan: Plan
    began: float
    result: "asyncio.Future[Produced]"
    answered: float
    """When the provider last gave a usable answer."""


class Poller:
    """Polls for results until they are there, or the provider has been silent for too long."""

    def __init__(self, *, workers: int, lost_contact_s: float) -> None:
        self._workers = workers
        self._lost_contact_s = lost_contact_s
        self._heap: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()
        self._due: asyncio.Queue[Watch] = asyncio.Queue()
        self._earlier = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._watched = 0

    def start(self) -> None:
        """Begin to ask."""
        self._tasks = [asyncio.create_task(self._work(), name="poller") for _ in range(self._workers)]
        self._tasks.append(asyncio.create_task(self._tick(), name="poller:clock"))

    async def stop(self) -> None:
        """Ask no more; what is being watched stays unanswered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def watch(
        self, ask: Ask, plan: Plan, *, age_s: float = 0, wish_s: float | None = None
    ) -> "asyncio.Future[Produced]":
        """The result of a generation of this age, once it is there. Cancel the future to stop asking.

        The future raises UpstreamFailed when the generation failed, or when contact was lost.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        watch = Watch(ask, plan, now - age_s, loop.create_future(), now)
        self._watched += 1
        metrics.polling.set(self._watched)
        watch.result.add_done_callback(self._forget)
        self._schedule(watch, wish_s)
        return watch.result

    def _forget(self, _: "asyncio.Future[Produced]") -> None:
        self._watched -= 1
        metrics.polling.set(self._watched)

    def _schedule(self, watch: Watch, wish_s: float | None) -> None:
        now = asyncio.get_running_loop().time()
        planned_s = watch.plan(max(0, int((now - watch.began) * 1000))) / 1000
        due = now + pause_s(planned_s, wish_s, random.random())  # noqa: S311 - jitter
        heapq.heappush(self._heap, (due, next(self._numbers), watch))
        if self._heap[0][2] is watch:
            self._earlier.set()

    async def _tick(self) -> None:
        """Hand out what is due. Each watch is in the heap, in the queue or with a worker: never twice."""
        loop = asyncio.get_running_loop()
        while True:
            while self._heap and self._heap[0][0] <= loop.time():
                self._due.put_nowait(heapq.heappop(self._heap)[2])
            self._earlier.clear()
            pause = self._heap[0][0] - loop.time() if self._heap else None
            try:
                await asyncio.wait_for(self._earlier.wait(), pause)
            except TimeoutError:
                continue

    async def _work(self) -> None:
        while True:
            watch = await self._due.get()
            if not watch.result.done():
                await self._ask(watch)

    async def _ask(self, watch: Watch) -> None:
        reach("D7")
        now = asyncio.get_running_loop().time()
        wish_s: float | None = None
        try:
            answer = await watch.ask()
        except CannotAsk as error:
            wish_s = error.wish_s
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
