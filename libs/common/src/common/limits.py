"""A limit of time on each of many short calls, by one timer for all of them.

``asyncio.timeout`` sets and drops a timer per call; under uvloop that is 10 us, a twelfth of what a statement costs.
"""

import asyncio
from types import TracebackType

_TICK_S = 0.25


class Limits:
    """Cancels calls that are past their limit, at most a quarter of a second late. For one event loop."""

    def __init__(self) -> None:
        self._running: set[Limit] = set()
        self._ticking = False

    def of(self, limit_s: float) -> "Limit":
        """A block that may take so long. Raises TimeoutError when it took longer."""
        return Limit(self, limit_s)

    def enter(self, limit: "Limit", loop: asyncio.AbstractEventLoop) -> None:
        """Watch it from now on; the timer runs only while there is something to watch."""
        self._running.add(limit)
        if not self._ticking:
            self._ticking = True
            loop.call_later(_TICK_S, self._tick, loop)

    def leave(self, limit: "Limit") -> None:
        """It has come to its end."""
        self._running.discard(limit)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        at = loop.time()
        for limit in [one for one in self._running if one.ends_at <= at]:
            self._running.discard(limit)
            limit.expire()
        self._ticking = bool(self._running)
        if self._ticking:
            loop.call_later(_TICK_S, self._tick, loop)


class Limit:
    """One call under its limit; what ``asyncio.timeout`` does about cancellation, this does too."""

    __slots__ = ("_cancelling", "_expired", "_limit_s", "_limits", "_task", "ends_at")

    def __init__(self, limits: Limits, limit_s: float) -> None:
        self._limits = limits
        self._limit_s = limit_s
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a limit is for a task"
        self._task = task
        self._cancelling = task.cancelling()
        loop = asyncio.get_running_loop()
        self.ends_at = loop.time() + self._limit_s
        self._limits.enter(self, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._limits.leave(self)
        # Whoever else cancelled the task meanwhile means it, whatever the clock says.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """The time is over."""
        self._expired = True
        self._task.cancel()
