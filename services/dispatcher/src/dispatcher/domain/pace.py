"""How long a route takes, against its own habit.

Orders differ: ten seconds of 4K take longer than four of 480p. So each one is measured against the median of its own
kind, and what is watched is that ratio.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from statistics import median

SLOW_RATIO = 3.0
"""A route is slow when one in twenty of its recent answers took this many times what is usual for them."""
LEAST_EXCESS_S = 2.0
"""What is slower by less is no reason to go elsewhere: the detour may cost more, and we may be to blame."""
_WINDOW_S = 120.0
_LEAST_RECENT = 20
_MOST_RECENT = 200
_KEPT_PER_KIND = 101
_LEAST_PER_KIND = 10
_MOST_KINDS = 500


@dataclass(slots=True)
class Pace:
    """One route's pace. Time is handed in; everything kept is bounded.

    A route that is passed over gets no new answers, so its slow ones grow old and it is tried again.
    """

    _usual: "OrderedDict[str, deque[float]]" = field(default_factory=OrderedDict)
    _recent: "deque[tuple[float, bool]]" = field(default_factory=deque)
    _slow: int = 0
    """How many of the recent ones were slow: asked on every choice of a route, so it is kept, not counted."""

    def took(self, kind: str, seconds: float, now: float) -> None:
        """An order of this kind was delivered after so long."""
        known = self._usual.setdefault(kind, deque(maxlen=_KEPT_PER_KIND))
        self._usual.move_to_end(kind)
        if len(self._usual) > _MOST_KINDS:
            self._usual.popitem(last=False)
        if len(known) >= _LEAST_PER_KIND:
            usual = median(known)
            was_slow = seconds - usual >= LEAST_EXCESS_S and seconds >= SLOW_RATIO * usual
            self._recent.append((now, was_slow))
            self._slow += was_slow
            if len(self._recent) > _MOST_RECENT:
                self._forget()
        known.append(seconds)

    def is_slow(self, now: float) -> bool:
        """Whether the 95th percentile of its recent answers is three times its habit."""
        while self._recent and self._recent[0][0] <= now - _WINDOW_S:
            self._forget()
        count = len(self._recent)
        return count >= _LEAST_RECENT and self._slow >= count - int(0.95 * (count - 1))

    def _forget(self) -> None:
        _, was_slow = self._recent.popleft()
        self._slow -= was_slow
