"""What each of Vidu's four ways takes."""

from collections.abc import Mapping
from typing import Any

from simulators import frames
from simulators.inputs import Choice, Flag, Input, Media, Text, Whole, Wrong, read
from simulators.links import Output

_PRO = ("viduq3-pro", "viduq3-turbo", "viduq3-pro-fast")
_REFERENCE = ("viduq3", "viduq3-mix")
_RATIOS = ("16:9", "9:16", "3:4", "4:3", "1:1")
CREDITS_PER_S: Mapping[str, int] = {"540p": 14, "720p": 30, "1080p": 32}
"""Of a made-up price list: the true one is not public."""

_COMMON: Mapping[str, Input] = {
    "resolution": Choice(("540p", "720p", "1080p"), "720p"),
    "audio": Flag(default=True),
    "seed": Whole(0, 2**31 - 1, 0),
    "off_peak": Flag(default=False),
    "watermark": Flag(default=False),
    "wm_position": Whole(1, 4),
    "wm_url": Text(),
    "payload": Text(1_048_576),
    "callback_url": Text(2_000),
    # Q3 takes no notice of these.
    "style": Text(),
    "bgm": Flag(),
    "movement_amplitude": Text(),
}
_PROMPT = Text(5_000)
_WAYS: Mapping[str, Mapping[str, Input]] = {
    "text2video": {
        "model": Choice(_PRO, required=True),
        "prompt": Text(5_000, required=True),
        "duration": Whole(1, 16, 5),
        "aspect_ratio": Choice(_RATIOS, "16:9"),
        **_COMMON,
    },
    "img2video": {
        "model": Choice(_PRO, required=True),
        "prompt": _PROMPT,
        "images": Media(1, required=True),
        "duration": Whole(1, 16, 5),
        **_COMMON,
    },
    "start-end2video": {
        "model": Choice(_PRO, required=True),
        "prompt": _PROMPT,
        "images": Media(2, required=True),
        "duration": Whole(1, 16, 5),
        **_COMMON,
    },
    "reference2video": {
        "model": Choice(_REFERENCE, required=True),
        "prompt": Text(5_000, required=True),
        "images": Media(7, required=True),
        "duration": Whole(3, 16, 5),
        "aspect_ratio": Choice(_RATIOS, "16:9"),
        **_COMMON,
    },
}
WAYS = tuple(_WAYS)


def parse(way: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], Output]:
    """All values with their defaults, and the film they ask for. Raises Wrong."""
    values = read(_WAYS[way], body)
    if way == "start-end2video" and len(values["images"]) != 2:
        raise Wrong("images", "exactly two images are needed: the first frame and the last", "sequence_too_short")
    film = frames.film(
        values["resolution"], values.get("aspect_ratio", "16:9"), values["duration"], audio=bool(values["audio"])
    )
    return values, film
