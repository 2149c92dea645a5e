"""How well models are served just now, as the dispatchers tell it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

FORGET_AFTER_S = 15.0
"""Dispatchers repeat every 5 s what is not well; whose voice is gone has ended, or has nothing to complain of."""


class Standing(StrEnum):
    """What a customer may expect of a model."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    """Served, but not by all of its routes."""
    RECOVERING = "recovering"
    """No route is known to be well; the next request tries one again."""
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model's standing, and how many of its routes are well."""

    standing: Standing
    routes: int
    well: int


class Health:
    """What each dispatcher last said of each route that is not well. Time is handed in."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], dict[str, tuple[str, float]]] = {}

    def hear(self, replica: str, provider: str, model: str, state: str, now: float) -> None:
        """One dispatcher's word on one route."""
        said = self._said.setdefault((model, provider), {})
        if state == "well":
            said.pop(replica, None)
        else:
            said[replica] = (state, now)

    def of(self, model: str, providers: Iterable[str], now: float) -> ModelHealth:
        """A model's standing over the routes it has here. A route is as well as the worst word on it."""
        words = [self._words(model, provider, now) for provider in providers]
        well = sum(not said for said in words)
        if well == len(words) and words:
            standing = Standing.OPERATIONAL
        elif well:
            standing = Standing.DEGRADED
        elif any(said <= {"probing", "slow"} for said in words):
            standing = Standing.RECOVERING
        else:
            standing = Standing.UNAVAILABLE
        return ModelHealth(standing, len(words), well)

    def _words(self, model: str, provider: str, now: float) -> set[str]:
        said = self._said.get((model, provider), {})
        for replica in [one for one, (_, at) in said.items() if now - at > FORGET_AFTER_S]:
            del said[replica]
        return {state for state, _ in said.values()}
