"""Something done again and again, whatever happens to it."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from common import telemetry
from common.messaging import CannotReach

log = telemetry.logger(__name__)


async def repeat(name: str, every_s: float, run: Callable[[], Awaitable[object]]) -> None:
    """Run it now and then every ``every_s``, with jitter so that replicas spread; the next run mends a failed one."""
    while True:
        try:
            await run()
        except CannotReach as error:
            log.warning("timer_cannot_reach", timer=name, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a timer must go on
            log.error("timer_failed", timer=name, error=type(error).__name__)  # noqa: TRY400 - may quote a row
        await asyncio.sleep(every_s * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
