"""What the operator has decided about routes, whatever their health: drained ones get no new order, forced ones come
first and are asked although their breaker would not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Action = Literal["drain", "force"]
ALL = "*"
"""Stands for all models of a provider."""


@dataclass(frozen=True, slots=True)
class Override:
    """One decision. ``model`` is an id or ``*``."""

    provider: str
    model: str
    action: Action


class Overrides:
    """The decisions in force; one about a model counts more than one about its provider."""

    def __init__(self) -> None:
        self._actions: dict[tuple[str, str], Action] = {}

    def set(self, overrides: Iterable[Override]) -> bool:
        """Replace them all; True when that changed anything."""
        before = self._actions
        self._actions = {(one.provider, one.model): one.action for one in overrides}
        return self._actions != before

    def drained(self, provider: str, model: str) -> bool:
        """Whether the route gets no new orders."""
        return self._of(provider, model) == "drain"

    def forced(self, provider: str, model: str) -> bool:
        """Whether the route comes first."""
        return self._of(provider, model) == "force"

    def _of(self, provider: str, model: str) -> Action | None:
        return self._actions.get((provider, model)) or self._actions.get((provider, ALL))
