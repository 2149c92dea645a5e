"""A breaker keeps calls away from a route that fails, and finds out when it is well again.

Closed: calls pass, failures are counted over a rolling window. Open: nothing passes until the cool-down is over.
Half-open: one probe at a time; its success closes the breaker, its failure opens it again.

An asynchronous provider can take every order and deliver none. So two things are watched: how it takes orders (known
at once) and how it delivers them (known minutes later). What opened the breaker is what a probe has to do well.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.domain.failures import Failure, FailureClass

SOFT_WEIGHT = 0.25
"""A failed generation counts this much: the host answered, this one result went wrong."""


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens and for how long. The quota cool-down is long: money does not come back in seconds."""

    window_s: float = 30
    min_failures: float = 5
    min_share: float = 0.5
    cool_down_s: float = 15
    quota_cool_down_s: float = 300
    max_retry_after_s: float = 120
    probe_timeout_s: float = 60

    @property
    def not_taken_in_a_row(self) -> float:
        """So many orders not taken in a row open it, however well the window was before."""
        return 2 * self.min_failures

    @property
    def undelivered_in_a_row(self) -> float:
        """So many accepted orders that came to nothing; fewer, as each has cost a job a good part of its time."""
        return self.min_failures


@dataclass(slots=True)
class _Second:
    at: int
    well: float = 0
    failed: float = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave to make one call; hand it back with the call's outcome."""

    probe: bool
    number: int


class Breaker:
    """One route's breaker. Time is handed in (monotonic seconds), so nothing here waits or reads a clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seconds: deque[_Second] = deque()
        self._open_until: float | None = None
        self._resting_until = 0.0
        self._probe: Admission | None = None
        self._probe_since = 0.0
        self._number = 0
        self._not_taken = 0.0
        self._undelivered = 0.0
        self._must_deliver = False

    def state(self, now: float) -> State:
        """What it would let through now."""
        if self._open_until is None:
            return State.OPEN if now < self._resting_until else State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def may_admit(self, now: float) -> bool:
        """Whether :meth:`admit` would give leave now."""
        state = self.state(now)
        if state is State.HALF_OPEN and self._probe is not None:
            # A probe whose outcome never came back must not keep the route closed for ever.
            return now - self._probe_since >= self._limits.probe_timeout_s
        return state is not State.OPEN

    def admit(self, now: float) -> Admission | None:
        """Leave for one call, or None. In half-open, only the one probe gets it."""
        if not self.may_admit(now):
            return None
        self._number += 1
        admission = Admission(probe=self.state(now) is State.HALF_OPEN, number=self._number)
        if admission.probe:
            self._probe = admission
            self._probe_since = now
        return admission

    def open_for(self, seconds: float, now: float) -> None:
        """Somebody else has seen it fail: open as long as theirs is, unless it is open already."""
        if self._open_until is None:
            self._open(seconds, now)

    def close(self) -> None:
        """Somebody else has seen it well again."""
        if self._open_until is not None:
            self._close()

    def left_s(self, now: float) -> float:
        """Seconds until it lets a probe through; 0 when it does, or is closed."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def release(self, admission: Admission) -> None:
        """The call was never made."""
        if self._probe == admission:
            self._probe = None

    def taken(self, admission: Admission, now: float) -> None:
        """The provider took the order; a probe that does closes the breaker, unless deliveries had opened it."""
        self._not_taken = 0
        if self._open_until is None:
            self._second(now).well += 1
        elif admission.probe and not self._must_deliver:
            # Also one that took longer than the probe time-out: it proves as much.
            self._close()

    def delivered(self, admission: Admission) -> None:
        """What the provider took it has also delivered; a probe that does closes the breaker."""
        self._undelivered = 0
        if self._open_until is not None and admission.probe:
            self._close()

    def failed(self, admission: Admission, failure: Failure, now: float, *, taken: bool = False) -> bool:
        """The call failed, or with ``taken`` what came of it; True when this failure opened the breaker."""
        kind = failure.kind
        if kind.route_is_well:
            if taken:
                self.delivered(admission)
            else:
                self.taken(admission, now)
                self.release(admission)
            return False
        if self._open_until is not None:
            if self._probe != admission:
                return False  # a call from before it opened: already judged
            self._open(self._cool_down_s(failure), now)
            return True
        weight = SOFT_WEIGHT if kind is FailureClass.FAILED_GENERATION else 1
        self._second(now).failed += weight
        if taken:
            self._undelivered += weight
        else:
            self._not_taken += weight
        if kind in (FailureClass.AUTH, FailureClass.QUOTA) or self._is_failing(now):
            self._must_deliver = self._undelivered >= self._limits.undelivered_in_a_row
            self._open(self._cool_down_s(failure), now)
            return True
        if failure.retry_after_s:
            wish_s = min(failure.retry_after_s, self._limits.max_retry_after_s)
            self._resting_until = max(self._resting_until, now + wish_s)
        return False

    def _cool_down_s(self, failure: Failure) -> float:
        base_s = self._limits.quota_cool_down_s if failure.kind is FailureClass.QUOTA else self._limits.cool_down_s
        return max(base_s, min(failure.retry_after_s or 0, self._limits.max_retry_after_s))

    def _open(self, cool_down_s: float, now: float) -> None:
        self._open_until = now + cool_down_s
        self._probe = None
        self._forget_all()

    def _close(self) -> None:
        self._open_until = None
        self._resting_until = 0.0
        self._probe = None
        self._must_deliver = False
        self._forget_all()

    def _forget_all(self) -> None:
        self._seconds.clear()
        self._not_taken = self._undelivered = 0

    def _is_failing(self, now: float) -> bool:
        if (
            self._not_taken >= self._limits.not_taken_in_a_row
            or self._undelivered >= self._limits.undelivered_in_a_row
        ):
            return True
        self._forget(now)
        failed = sum(second.failed for second in self._seconds)
        total = failed + sum(second.well for second in self._seconds)
        return failed >= self._limits.min_failures and failed >= self._limits.min_share * total

    def _second(self, now: float) -> _Second:
        self._forget(now)
        at = int(now)
        if not self._seconds or self._seconds[-1].at != at:
            self._seconds.append(_Second(at))
        return self._seconds[-1]

    def _forget(self, now: float) -> None:
        # At most one entry per second of the window stays, so its size is bounded.
        while self._seconds and self._seconds[0].at <= now - self._limits.window_s:
            self._seconds.popleft()
