"""When a failed delivery is tried again, and when it is given up."""

from dataclasses import dataclass

JITTER = 0.1
MAX_RETRY_AFTER_S = 24 * 3600.0
SLOW_DOWN = frozenset({429, 502, 504})
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: its status, or why there was none."""

    status: int | None
    error: str | None = None
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Only 2xx is success; a redirect is not followed and is none."""
        return self.status is not None and 200 <= self.status < 300


def pause_s(answer: Answer, tries: int, schedule_s: tuple[float, ...], jitter: float) -> float | None:
    """Seconds until the next try, None to give up.

    ``tries`` counts those made, this one included; ``jitter`` is a number in [-1, 1]. A receiver that says 410 wants
    no more; one that asks for time (``Retry-After``, or 429, 502, 504 by themselves) gets at least that much.
    """
    if answer.status == GONE or tries > len(schedule_s):
        return None
    pause = schedule_s[tries - 1] * (1 + JITTER * jitter)
    if answer.retry_after_s is not None:
        pause = max(pause, min(answer.retry_after_s, MAX_RETRY_AFTER_S))
    elif answer.status in SLOW_DOWN:
        pause = max(pause, min(2 * pause, MAX_RETRY_AFTER_S))
    return pause
