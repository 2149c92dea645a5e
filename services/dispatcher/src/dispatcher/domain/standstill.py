"""Whose silence was it? A timer that rings late shows that this process stood still, and with it all reading.

A machine that freezes for a second must not look like providers that do: an answer may lie in the socket, unread,
while the timers that were to limit the wait are the first to run.
"""

import time

NOTICEABLE_S = 0.1
"""Later than a busy event loop rings, sooner than a customer would notice."""


def stood_still(began: float, limit_s: float) -> bool:
    """Whether a limit that was set at ``began`` (of ``time.monotonic``) and has just struck, struck late."""
    return time.monotonic() - began > limit_s + NOTICEABLE_S
