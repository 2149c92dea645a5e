"""What a customer says of a source that nobody has seen when the price is quoted, and how an output is held to it."""

from dataclasses import dataclass

from common.catalogue.base import Part
from common.catalogue.conditions import Parameters
from common.catalogue.sizes import TIERS

_TOLERANCE_MS = 500
"""A film is as long as its last frame and its last sound, seldom a whole number of seconds."""
_TOLERANCE_PERCENT = 5
"""Encoders want even edges, cinema wants wider ones."""


@dataclass(frozen=True, slots=True)
class Most:
    """What an output may be at most; one that is more was not paid for."""

    ms: int
    edge: int
    """The shorter edge in pixels."""


class Declared(Part):
    """The parameters that say how long and how large the source is, and how large the output becomes.

    Providers see the source themselves and are not told. The output is as long as the source, so whoever declares too
    little is found out when it is measured.
    """

    seconds: str
    resolution: str
    tier: str

    @property
    def of_source(self) -> frozenset[str]:
        """What is said of the source."""
        return frozenset({self.seconds, self.resolution})

    def most(self, parameters: Parameters) -> Most:
        """What follows from them for the output."""
        edge = TIERS[str(parameters[self.tier])] * (100 + _TOLERANCE_PERCENT) // 100
        return Most(int(parameters[self.seconds]) * 1000 + _TOLERANCE_MS, edge)
