"""Leave to call a route, and what its breaker learns from the call."""

from collections.abc import Callable

from dispatcher.domain.breaker import Admission, Breaker, State
from dispatcher.domain.failures import Failure

_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Permit:
    """One call's leave. The breaker hears at most one success and at most one failure of it.

    An accepted order that fails later is first a success, then a failure; a submit that hangs is a failure, and
    what comes of it afterwards is not news.
    """

    def __init__(self, breaker: Breaker, admission: Admission, clock: Callable[[], float]) -> None:
        self._breaker = breaker
        self._admission = admission
        self._clock = clock
        self._succeeded = False
        self._failed = False

    def succeeded(self) -> None:
        """The provider took the call."""
        if not self._succeeded and not self._failed:
            self._succeeded = True
            self._breaker.succeeded(self._admission, self._clock())

    def failed(self, failure: Failure) -> bool:
        """The call failed; True when this opened the breaker."""
        if self._failed:
            return False
        self._failed = True
        return self._breaker.failed(self._admission, failure, self._clock())

    def release(self) -> None:
        """The call is not made."""
        if not self._succeeded and not self._failed:
            self._failed = True
            self._breaker.release(self._admission)


def level(breaker: Breaker, now: float) -> int:
    """A breaker's state as a number for the gauge."""
    return _LEVELS[breaker.state(now)]
