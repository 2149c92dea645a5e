"""How long something takes, without what the machine takes for itself."""

import time
from collections.abc import Awaitable, Callable


async def quickest_s(run: Callable[[], Awaitable[object]], times: int = 3) -> float:
    """Seconds of the quickest of some runs: a machine that stands still for a moment spoils one of them, not all."""
    best = float("inf")
    for _ in range(times):
        began = time.monotonic()
        await run()
        best = min(best, time.monotonic() - began)
    return best
