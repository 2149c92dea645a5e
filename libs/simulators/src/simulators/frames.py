"""Pixels of outputs, from what models call sizes: tiers and ratios, or a source to enlarge."""

from collections.abc import Mapping
from dataclasses import replace

from simulators.links import Output

SHORT_SIDES: Mapping[str, int] = {
    "360p": 360, "480p": 480, "540p": 540, "720p": 720, "1080p": 1080, "2k": 1440, "1440p": 1440, "4k": 2160,
    "2160p": 2160,
}  # fmt: skip
AREAS: Mapping[str, int] = {"512": 512, "0.5K": 512, "1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096}
"""The side of a square picture of each tier."""
_LONGEST = 8_192


def _ratio(text: str) -> tuple[int, int]:
    across, _, down = text.partition(":")
    return (int(across), int(down)) if across.isdigit() and down.isdigit() else (16, 9)


def film(resolution: str, ratio: str, seconds: int, *, audio: bool) -> Output:
    """A film whose short side is the tier's; what is no ratio (``auto``) is 16:9."""
    across, down = _ratio(ratio)
    short = SHORT_SIDES[resolution.lower()]
    width, height = (short * across // down, short) if across >= down else (short, short * down // across)
    return Output(b"", width & ~1, height & ~1, "mp4", seconds, audio)


def picture(tier: str, ratio: str, kind: str) -> Output:
    """A picture with the tier's area; what is no ratio is a square."""
    across, down = _ratio(ratio) if ":" in ratio else (1, 1)
    side = AREAS[tier]
    width = int(side * (across / down) ** 0.5) // 16 * 16
    height = int(side * (down / across) ** 0.5) // 16 * 16
    return Output(b"", min(width, _LONGEST), min(height, _LONGEST), kind.replace("jpg", "jpeg"))


def upscaled(url: str, factor: float, most: int = 4_096) -> Output:
    """The film behind a link of a stand-in, larger; of any other film nothing is known, so a short one is made."""
    source = Output.at("/files/" + url.partition("/files/")[2].partition("?")[0])
    if source is None or source.kind != "mp4":
        source = Output(b"", 640, 360, "mp4", 5, audio=True)
    factor = min(factor, most / source.width, most / source.height)
    return replace(source, width=int(source.width * factor) & ~1, height=int(source.height * factor) & ~1)
