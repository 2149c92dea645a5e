"""Writing when the database or the object store is away: again and again, until nobody wants it any more."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from common import telemetry
from common.messaging import CannotReach

Result = TypeVar("Result")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0

log = telemetry.logger(__name__)


async def insist(what: str, write: Callable[[], Awaitable[Result]], until: float) -> Result:
    """Repeat an idempotent write while its other side is away.

    ``until`` is the loop's time after which CannotReach is raised.
    """
    loop = asyncio.get_running_loop()
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await write()
        except CannotReach as error:
            if loop.time() >= until:
                raise
            if pause_s == _FIRST_PAUSE_S:
                log.warning("cannot_reach", writing=what, reason=str(error))
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
