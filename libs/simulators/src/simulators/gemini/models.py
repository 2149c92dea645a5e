"""Google's image models: what each draws, in which frames, and the tokens that it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_FRAMES_2_5 = {
    "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864),
    "4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672),
}  # fmt: skip
_FRAMES_3 = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
_STRIPS = {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
_HALVES = {"512": 1, "1K": 2, "2K": 4, "4K": 8}
_LONGEST_SIDE = 8_192


@dataclass(frozen=True, slots=True)
class Model:
    """One image model. `sizes` are the tokens of a picture per imageSize; without any the field is refused."""

    frames: Mapping[str, tuple[int, int]]
    references: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    tokens: int = 1290
    reference_tokens: int = 1290
    thinks: bool = False

    def frame(self, ratio: str, size: str) -> tuple[int, int]:
        """Width and height in pixels; the longest strips of 4K end at what the stand-in can draw."""
        width, height = (edge * _HALVES[size] // 2 for edge in self.frames[ratio])
        return min(width, _LONGEST_SIDE), min(height, _LONGEST_SIDE)

    def tokens_of(self, size: str) -> int:
        """What a picture of this size costs."""
        return self.sizes.get(size, self.tokens)


MODELS: Mapping[str, Model] = {
    "gemini-3-pro-image": Model(
        _FRAMES_3, 14, {"1K": 1120, "2K": 1120, "4K": 2000}, reference_tokens=560, thinks=True
    ),
    "gemini-3.1-flash-image": Model(
        {**_FRAMES_3, **_STRIPS},
        14,
        {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520},
        reference_tokens=1120,
        thinks=True,
    ),
    "gemini-2.5-flash-image": Model(_FRAMES_2_5, 3),
}
