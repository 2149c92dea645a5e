"""What xAI's ways to make a video take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators import frames
from simulators.inputs import Choice, Flag, Input, Media, Medium, Text, Whole, Wrong, read
from simulators.links import Output

MODELS = ("grok-imagine-video",)
TICKS_PER_USD = 10_000_000_000
_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
_CENTS_PER_S = {"480p": 5, "720p": 7}
_PICTURE_TICKS = TICKS_PER_USD * 2 // 1_000


@dataclass(frozen=True, slots=True)
class Located:
    """A file as an object with its `url`."""

    required: bool = False
    default: Any = None

    def check(self, name: str, value: Any) -> None:
        """An object with an address."""
        if not isinstance(value, dict) or "url" not in value:
            raise Wrong(name, "expected an object with a url", "object")
        Medium().check(name, value["url"])


@dataclass(frozen=True, slots=True)
class Many:
    """Some of them."""

    most: int
    required: bool = False
    default: Any = None

    def check(self, name: str, value: Any) -> None:
        """A list of objects with addresses."""
        Media(self.most, required=True).check(name, [one.get("url") for one in value] if _objects(value) else value)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


_WAYS: Mapping[str, Mapping[str, Input]] = {
    "generations": {
        "model": Choice(MODELS, required=True),
        "prompt": Text(4_096, required=True),
        "duration": Whole(1, 15, 6),
        "aspect_ratio": Choice(_RATIOS),
        "resolution": Choice(("480p", "720p"), "480p"),
        "image": Located(),
        "reference_images": Many(7),
        "generate_audio": Flag(),
        "user": Text(),
    },
    "edits": {
        "model": Choice(MODELS, required=True),
        "prompt": Text(4_096, required=True),
        "video": Located(required=True),
        "user": Text(),
    },
}
WAYS = tuple(_WAYS)


def parse(way: str, body: Mapping[str, Any]) -> tuple[Output, int]:
    """The film that is asked for, and what it costs in ticks. Raises Wrong."""
    values = read(_WAYS[way], body)
    if way == "edits":
        film = frames.upscaled(values["video"]["url"], 1)
        return film, film.seconds * _CENTS_PER_S["720p"] * TICKS_PER_USD // 100
    pictures = values["reference_images"] or []
    if pictures and values["image"]:
        raise Wrong("reference_images", "cannot be combined with image", "conflict")
    if pictures and values["duration"] > 10:
        raise Wrong("duration", "at most 10 seconds with reference images", "less_than_equal")
    seconds = values["duration"]
    film = frames.film(values["resolution"], values["aspect_ratio"] or "16:9", seconds, audio=True)
    count = len(pictures) + (1 if values["image"] else 0)
    return film, seconds * _CENTS_PER_S[values["resolution"]] * TICKS_PER_USD // 100 + count * _PICTURE_TICKS
