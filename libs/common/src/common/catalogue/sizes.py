"""Frames: width and height in pixels, how they are written, and what is near them."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

_WRITTEN = re.compile(r"(\d{1,5})[xX](\d{1,5})", re.ASCII)
_RATIO = re.compile(r"([1-9]\d?):([1-9]\d?)", re.ASCII)

TIERS = {"360p": 360, "480p": 480, "540p": 540, "720p": 720, "1080p": 1080, "2k": 1440, "4k": 2160}
"""The shorter edge in pixels of what a film's resolution is called."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's width and height; both are at least one pixel."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many pixels it has."""
        return self.width * self.height

    @property
    def short(self) -> int:
        """The shorter edge."""
        return min(self.width, self.height)

    @property
    def long(self) -> int:
        """The longer edge."""
        return max(self.width, self.height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def read_frame(text: str) -> Frame | None:
    """The frame that WIDTHxHEIGHT names, None if the text is nothing of the kind."""
    match = _WRITTEN.fullmatch(text)
    if match is None or int(match[1]) == 0 or int(match[2]) == 0:
        return None
    return Frame(int(match[1]), int(match[2]))


def read_ratio(text: str) -> float | None:
    """Width over height of a ratio written as 16:9, None if the text is nothing of the kind."""
    match = _RATIO.fullmatch(text)
    return None if match is None else int(match[1]) / int(match[2])


def nearest_ratio(frame: Frame, ratios: Iterable[str]) -> str:
    """The ratio closest to the frame's shape, measured so that twice as wide is as far as half as wide."""
    shape = math.log(frame.width / frame.height)
    return min(ratios, key=lambda text: abs(shape - math.log(read_ratio(text) or 1.0)))
