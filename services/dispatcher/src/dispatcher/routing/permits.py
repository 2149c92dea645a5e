"""Leave to call a route, and what its breaker learns from the call."""

from collections.abc import Callable

from dispatcher.domain.breaker import Admission, Breaker, State
from dispatcher.domain.failures import Failure

_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Permit:
    """One call's leave. The breaker hears at most once that the order was taken, and at most once how it ended.

    A submit that hangs has ended as a failure; what comes of it afterwards is not news.
    """

    def __init__(self, breaker: Breaker, admission: Admission, clock: Callable[[], float]) -> None:
        self._breaker = breaker
        self._admission = admission
        self._clock = clock
        self._taken = False
        self._ended = False

    @classmethod
    def of_taken(cls, breaker: Breaker, clock: Callable[[], float]) -> "Permit":
        """For an order that another process placed: only what comes of it is news, and it is nobody's probe."""
        permit = cls(breaker, Admission(probe=False, number=0), clock)
        permit._taken = True
        return permit

    def taken(self) -> None:
        """The provider took the order; its result is still to come."""
        if not self._taken and not self._ended:
            self._taken = True
            self._breaker.taken(self._admission, self._clock())

    def delivered(self) -> None:
        """The provider delivered."""
        if not self._ended:
            self.taken()
            self._ended = True
            self._breaker.delivered(self._admission)

    def failed(self, failure: Failure) -> bool:
        """The call failed, or what was taken came to nothing; True when this opened the breaker."""
        if self._ended:
            return False
        self._ended = True
        return self._breaker.failed(self._admission, failure, self._clock(), taken=self._taken)

    def release(self) -> None:
        """The call is not made, or nobody waits for its result any more."""
        if not self._ended:
            self._ended = True
            self._breaker.release(self._admission)


def level(breaker: Breaker, now: float) -> int:
    """A breaker's state as a number for the gauge."""
    return _LEVELS[breaker.state(now)]
