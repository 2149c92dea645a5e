"""Something done again and again, whatever happens to it."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from common import telemetry
from common.messaging import CannotReach
from common.messaging.unforeseen import told

log = telemetry.logger(__name__)


async def repeat(name: str, every_s: float, run: Callable[[], Awaitable[object]]) -> None:
    """Run it every ``every_s``, with jitter so that replicas spread; a failure is logged and the next run tries."""
    while True:
        await asyncio.sleep(every_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        try:
            await run()
        except CannotReach as error:
            log.warning("timer_cannot_reach", timer=name, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a timer must go on
            log.error("timer_failed", timer=name, **told(error))  # noqa: TRY400 - told says what may be shown
