"""This process' claims: short, so that those of a dead one do not wait long, and renewed while they are worked on.

Whoever is cut off from the database learns no more of it than that a renewal fails; others may take its deliveries
as soon as their claims have lapsed. So it breaks off its posts before that: two never post a delivery at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from common import telemetry
from common.messaging import CannotReach
from common.messaging.unforeseen import told
from notifier.webhooks.repository import Deliveries, Delivery

CLAIM_S = 7.0
"""How long the deliveries of a dead process wait, and how long a living one can do without the database in a post."""
RENEW_AFTER_S = 1.5
"""What most posts end within: their claims are never renewed."""
_LOOK_S = 0.5
_STEADY_S = 3.0
"""After an outage: enough for everybody to notice that it is over."""

log = telemetry.logger(__name__)


class ClaimLapsed(Exception):  # noqa: N818 - what happened, not a defect
    """The claim could not be renewed in time."""


class Claim:
    """One delivery that is ours for some time; times are of the monotonic clock."""

    def __init__(self, delivery: Delivery, began: float, claim_s: float) -> None:
        self.delivery = delivery
        self.began = began
        """When it was last known to begin: not after the database did it, so that ours ends before the row's."""
        self._claim_s = claim_s
        self._breaks: asyncio.Timeout | None = None

    @property
    def fresh(self) -> bool:
        """Whether something that needs it may begin."""
        return self._left_s > self._claim_s / 2

    def renewed(self, began: float) -> None:
        """It begins anew."""
        self.began = began
        if self._breaks is not None and not self._breaks.expired():
            self._breaks.reschedule(asyncio.get_running_loop().time() + self._left_s)

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """For what must not go on without it. Raises ClaimLapsed, having broken off what was in the block."""
        try:
            async with asyncio.timeout(self._left_s) as self._breaks:
                yield
        except TimeoutError:
            raise ClaimLapsed from None
        finally:
            self._breaks = None

    @property
    def _left_s(self) -> float:
        return self.began + self._claim_s - time.monotonic()


class Claims:
    """Takes claims, and renews those that are held for longer than most."""

    def __init__(self, deliveries: Deliveries, claim_s: float = CLAIM_S) -> None:
        self._deliveries = deliveries
        self._claim_s = claim_s
        self._held: set[Claim] = set()
        self._steady_from = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Renew from now on."""
        self._task = asyncio.create_task(self._run(), name="webhook claims")

    async def stop(self) -> None:
        """Renew no more; what is still held lapses."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def take(self, room: int, taken: Mapping[str, int], max_per_host: int) -> list[Claim]:
        """Claims on what is due (see ``Deliveries.claim``), to be let go when done. Raises CannotReach.

        An outage of the database lets also the claims of the living lapse: after one they get the time to renew them,
        and to record what they posted meanwhile.
        """
        began = time.monotonic()
        try:
            rows = await self._deliveries.claim(
                room, self._claim_s, taken, max_per_host, lapsed_too=began >= self._steady_from
            )
        except CannotReach:
            self._missed()
            raise
        claims = [Claim(row, began, self._claim_s) for row in rows]
        self._held.update(claims)
        return claims

    def let_go(self, claim: Claim) -> None:
        """Renew it no more; if nothing was recorded it lapses, and is taken again."""
        self._held.discard(claim)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._renew()
            except CannotReach:
                self._missed()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do better than none
                log.error("renewal_failed", **told(error))  # noqa: TRY400 - told says what may be shown

    async def _renew(self) -> None:
        began = time.monotonic()
        old = [claim for claim in self._held if claim.began <= began - RENEW_AFTER_S]
        if not old:
            return
        ours = await self._deliveries.renew([claim.delivery for claim in old], self._claim_s)
        for claim in old:
            if claim.delivery.id in ours:
                claim.renewed(began)

    def _missed(self) -> None:
        self._steady_from = time.monotonic() + _STEADY_S
