"""Leave to call a route, and what its breaker, its key and its pace learn from the call."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from dispatcher.domain.breaker import Admission, Breaker, State
from dispatcher.domain.failures import Failure, FailureClass
from dispatcher.domain.pace import Pace
from dispatcher.routing.keys import Key, Keyring

_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
_REST_S = 1.0
"""How long a key is left alone that met a rate limit and was not told for how long."""


class Opened(Enum):
    """What a failure opened."""

    NOTHING = "nothing"
    ROUTE = "route"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Line:
    """One model at one provider with one key: everything that learns from a call."""

    model: str
    breaker: Breaker
    pace: Pace
    ring: Keyring
    key: Key


class Permit:
    """One call's leave. The breaker hears at most once that the order was taken, and at most once how it ended.

    A submit that hangs has ended as a failure; what comes of it afterwards is not news. The key's room is given back
    when the order has ended for good (:meth:`end`), for until then the provider may count it.
    """

    def __init__(
        self, line: Line, admission: Admission, key_admission: Admission, clock: Callable[[], float], kind: str = ""
    ) -> None:
        self._line = line
        self._admission = admission
        self._key_admission = key_admission
        self._clock = clock
        self._kind = kind
        self._since = clock()
        self._taken = False
        self._ended = False
        self._given_back = False

    @classmethod
    def of_taken(cls, line: Line, clock: Callable[[], float]) -> "Permit":
        """For an order that another process placed: only what comes of it is news, and it is nobody's probe."""
        nobodys = Admission(probe=False, number=0)
        line.key.take(clock())
        permit = cls(line, nobodys, nobodys, clock)
        permit._taken = True
        return permit

    def taken(self) -> None:
        """The provider took the order; its result is still to come."""
        if not self._taken and not self._ended:
            self._taken = True
            self._line.breaker.taken(self._admission, self._clock())
            self._line.key.breaker.taken(self._key_admission, self._clock())

    def delivered(self) -> bool:
        """The provider delivered; True when this closed the breaker or the key's."""
        if self._ended:
            return False
        before = self._is_open()
        self.taken()
        self._ended = True
        self._line.breaker.delivered(self._admission)
        self._line.key.breaker.delivered(self._key_admission)
        if self._kind:
            self._line.pace.took(self._kind, self._clock() - self._since, self._clock())
        return before and not self._is_open()

    def failed(self, failure: Failure) -> Opened:
        """The call failed, or what was taken came to nothing; says what that opened."""
        if self._ended:
            return Opened.NOTHING
        self._ended = True
        line, now = self._line, self._clock()
        if failure.concerns_key:
            line.breaker.release(self._admission)
            opened = line.key.breaker.failed(self._key_admission, failure, now, taken=self._taken)
            return Opened.KEY if opened else Opened.NOTHING
        line.key.breaker.taken(self._key_admission, now)  # it was let in
        if failure.kind is FailureClass.RATE_LIMITED and len(line.ring.keys) > 1:
            line.key.resting[line.model] = now + (failure.retry_after_s or _REST_S)
            if line.ring.well(line.model):
                line.breaker.release(self._admission)
                return Opened.NOTHING
        opened = line.breaker.failed(self._admission, failure, now, taken=self._taken)
        return Opened.ROUTE if opened else Opened.NOTHING

    def release(self) -> None:
        """The call is not made, or nobody waits for its result any more."""
        if not self._ended:
            self._ended = True
            self._line.breaker.release(self._admission)
            self._line.key.breaker.release(self._key_admission)

    def end(self) -> None:
        """The provider does nothing more for this order, as far as we know."""
        self.release()
        if not self._given_back:
            self._given_back = True
            self._line.ring.give_back(self._line.key)

    def _is_open(self) -> bool:
        now = self._clock()
        breakers = (self._line.breaker, self._line.key.breaker)
        return any(breaker.state(now) is not State.CLOSED for breaker in breakers)


def level(breaker: Breaker, now: float) -> int:
    """A breaker's state as a number for the gauge."""
    return _LEVELS[breaker.state(now)]
