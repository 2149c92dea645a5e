"""How many bytes of large answers may be in memory at once, over all providers.

Each answer's first MiB is free, so small answers never wait. Beyond it bytes are taken as they arrive, which leaves
an answer that trickles in with no more than it has. A provider that is not read from meanwhile is held back by TCP.

What keeps readers from waiting for each other for ever is the banker's rule: bytes are only given away while every
reader could still get the rest of its answer, one after the other. An answer larger than the whole budget counts as
large as the budget: it is finished alone.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MIB = 1024 * 1024
FREE_BYTES = 1 * MIB
_STEP_BYTES = 1 * MIB


class Budget:
    """Bytes that readers share."""

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._holders: set[Share] = set()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def held_bytes(self) -> int:
        """What is taken now; never more than the total."""
        return sum(share.held for share in self._holders)

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """One answer's share, given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self._give_back(share)

    async def take(self, share: "Share", more: int) -> None:
        """Wait until this share may grow."""
        while not self._is_safe(share, more):
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        share.held += more
        self._holders.add(share)

    def capped(self, size: int) -> int:
        """As much of this as one share can have."""
        return min(size, self._total)

    def _is_safe(self, asking: "Share", more: int) -> bool:
        """Whether all could still finish, the one with the least to come first."""
        free = self._total - self.held_bytes - more
        needs = [(one.claim - one.held, one.held) for one in self._holders - {asking}]
        needs.append((asking.claim - asking.held - more, asking.held + more))
        for missing, held in sorted(needs):
            if missing > free:
                return False
            free += held
        return free >= 0

    def _give_back(self, share: "Share") -> None:
        if share not in self._holders:
            return
        self._holders.remove(share)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()


class Share:
    """One answer's part of the budget: ``held`` of the ``claim`` that it may come to."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0
        self.claim = 0

    async def cover(self, size: int, most: int) -> None:
        """Wait until ``size`` bytes of an answer of at most ``most`` may be in memory."""
        needed = self._budget.capped(size - FREE_BYTES)
        if needed <= self.held:
            return
        self.claim = self._budget.capped(most - FREE_BYTES)
        await self._budget.take(self, min(max(needed, self.held + _STEP_BYTES), self.claim) - self.held)
