"""How well each route is, as its dispatcher sees it: told when it changes, and again while it is not well."""

from collections.abc import Mapping
from enum import StrEnum

AGAIN_S = 5.0
"""What is not well is said again this often: who has just started listening learns of it. Silence means well."""


class Health(StrEnum):
    """What a route is good for."""

    WELL = "well"
    PROBING = "probing"
    """Its breaker's cool-down is over; the next order finds out."""
    SLOW = "slow"
    RESTING = "resting"
    DRAINED = "drained"


class Bulletin:
    """Picks from all states what is worth saying."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[Health, float]] = {}

    def news(self, states: Mapping[tuple[str, str], Health], now: float) -> list[tuple[str, str, Health, bool]]:
        """(provider, model, state, whether it is new) of routes that changed, or are still not well and due again."""
        worth = []
        for (provider, model), health in states.items():
            before, said_at = self._said.get((provider, model), (Health.WELL, now))
            if health is not before or (health is not Health.WELL and now - said_at >= AGAIN_S):
                self._said[provider, model] = (health, now)
                worth.append((provider, model, health, health is not before))
        return worth
