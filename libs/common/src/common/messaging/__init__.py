"""The bus: who may say what to whom, and what happens when a handler fails."""

from typing import TYPE_CHECKING

from common.messaging import topology
from common.messaging.failures import CannotReach, CannotWork, TryLater, Unconfirmed

if TYPE_CHECKING:
    from common.messaging.bus import Bus
    from common.messaging.consumers import Consumers

__all__ = ["Bus", "CannotReach", "CannotWork", "Consumers", "TryLater", "Unconfirmed", "topology"]


def __getattr__(name: str) -> type:
    """Bus and Consumers load late: the database module needs only the failures."""
    if name == "Bus":
        from common.messaging.bus import Bus

        return Bus
    if name == "Consumers":
        from common.messaging.consumers import Consumers

        return Consumers
    raise AttributeError(name)
