"""Group commit: calls in flight at the same moment become one statement and one commit.

Callers stay one-item functions. A batch that raises is run again one by one, so that one bad item cannot fail
its neighbours; a message on its third delivery is run alone from the start (:data:`alone`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Generic, TypeVar

from common.messaging.failures import CannotReach

Item = TypeVar("Item")
Result = TypeVar("Result")

alone: ContextVar[bool] = ContextVar("alone", default=False)
"""True while a message is handled that has brought down its handler before: it gets a batch of its own."""


class Coalescer(Generic[Item, Result]):
    """Runs ``run(items)`` over what has gathered; hands each caller its own result.

    ``run`` gets 1 to ``max_batch`` items and returns as many results in the same order. One batch runs at a time.
    After a batch that found company, the next waits ``linger_ms`` for more to gather; a lone call goes at once.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[list[Item]], Awaitable[list[Result]]],
        *,
        max_batch: int = 200,
        linger_ms: float = 10,
        always_linger: bool = False,
    ) -> None:
        self.name = name
        self._run = run
        self._max_batch = max_batch
        self._linger_s = linger_ms / 1000
        self._always_linger = always_linger
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The result for this item, from whatever batch it travelled in."""
        if alone.get():
            return (await self._run([item]))[0]
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name=f"coalescer:{self.name}")
        # A caller that is cancelled must not tear the batch of its neighbours.
        return await asyncio.shield(future)

    async def _work(self) -> None:
        busy = self._always_linger
        try:
            while self._waiting:
                if self._linger_s and busy and len(self._waiting) < self._max_batch:
                    await asyncio.sleep(self._linger_s)
                else:
                    await asyncio.sleep(0)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
                busy = self._always_linger or len(batch) > 1
                await self._run_batch(batch)
        finally:
            self._worker = None

    async def _run_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
            assert len(results) == len(batch), f"{self.name}: {len(results)} results for {len(batch)} items"
        except CannotReach as error:
            # Everybody's neighbour is away: one by one would only wait longer.
            for _, future in batch:
                _fail(future, error)
        except Exception as error:  # noqa: BLE001 - handed to the callers
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            for item, future in batch:
                await self._run_batch([(item, future)])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(future: "asyncio.Future[Result]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # a caller that went away must not make asyncio complain
