"""How long a provider may fail to hand out an output before it counts as lost."""

import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

_MOST = 10_000


class Patience:
    """Measured from the first failure that this process saw.

    Kept in memory, for it decides only when to stop asking: a restart, or another replica, asks for as long again,
    and the job's deadline bounds them all.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._since: OrderedDict[tuple[UUID, int], float] = OrderedDict()

    def is_over(self, job_id: UUID, index: int) -> bool:
        """Note another failure of one output; True when it has failed for long enough."""
        now = self._clock()
        since = self._since.setdefault((job_id, index), now)
        if len(self._since) > _MOST:
            self._since.popitem(last=False)
        return now - since >= self._limit_s

    def forget(self, job_id: UUID, index: int) -> None:
        """This output is decided."""
        self._since.pop((job_id, index), None)
