"""Hints: they make things quicker, and nothing breaks when they are lost."""

from typing import ClassVar, Literal
from uuid import UUID

from common.contracts.base import Message

NOBODY = UUID(int=0)
"""Stands for the job and the account of a hint that is about neither."""


class JobChanged(Message):
    """A job's row changed at one gateway replica; another may have somebody waiting for it."""

    TYPE: ClassVar[str] = "hint.job_changed"
    HINT: ClassVar[bool] = True


class RouteChanged(Message):
    """A breaker of a dispatcher changed: a model at a provider or, without ``model``, one key.

    ``key_label`` names a key and tells nothing of it. ``for_s`` is how long it will stay open, ``replica`` who
    says so.
    """

    TYPE: ClassVar[str] = "hint.route_changed"
    HINT: ClassVar[bool] = True

    job_id: UUID = NOBODY
    account_id: UUID = NOBODY
    replica: str
    provider: str
    model: str
    key_label: str
    state: Literal["open", "closed"]
    for_s: float = 0.0


class RouteHealth(Message):
    """How well a dispatcher finds a route; said when it changes, and again every 5 s while it is not well."""

    TYPE: ClassVar[str] = "hint.route_health"
    HINT: ClassVar[bool] = True

    job_id: UUID = NOBODY
    account_id: UUID = NOBODY
    replica: str
    provider: str
    model: str
    state: Literal["well", "probing", "slow", "resting", "drained"]


class UpstreamCalled(Message):
    """A provider called back about an order: whoever runs the job asks about it at once."""

    TYPE: ClassVar[str] = "hint.upstream_called"
    HINT: ClassVar[bool] = True

    account_id: UUID = NOBODY
    attempt_no: int
