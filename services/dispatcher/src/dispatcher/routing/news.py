"""What replicas tell one another of routes: a breaker opened, or closed again."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What happened to it."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class News:
    """A breaker changed: that of a model at a provider or, with no ``model``, that of one of the provider's keys.

    ``for_s`` is how long it will stay open.
    """

    provider: str
    model: str
    key: str
    state: State
    for_s: float = 0.0
