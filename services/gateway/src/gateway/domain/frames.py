"""A video's size in pixels, for clients that think in pixels, from what the model was asked for."""

from typing import Any

_SHORT_EDGE = {"480p": 480, "540p": 540, "720p": 720, "1080p": 1080, "2k": 1440, "4k": 2160}


def size_of(parameters: dict[str, Any]) -> str | None:
    """``WIDTHxHEIGHT``; None when the parameters do not say."""
    size = parameters.get("size")
    if isinstance(size, str) and "x" in size:
        return size
    short = _SHORT_EDGE.get(str(parameters.get("resolution", "")).lower())
    wide, _, high = str(parameters.get("aspect_ratio", "")).partition(":")
    if short is None or not (wide.isdigit() and high.isdigit()) or 0 in (int(wide), int(high)):
        return None
    width, height = int(wide), int(high)
    long = _even(short * max(width, height) / min(width, height))
    return f"{long}x{short}" if width >= height else f"{short}x{long}"


def _even(pixels: float) -> int:
    return round(pixels / 2) * 2
