"""What each of Happy Horse's four models takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators import frames
from simulators.inputs import Choice, Flag, Input, Medium, Text, Whole, Wrong, read
from simulators.links import Output

_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")


@dataclass(frozen=True, slots=True)
class Pieces:
    """`input.media`: objects with a type and a url."""

    counts: Mapping[str, tuple[int, int]]
    """The fewest and the most of each type."""
    required: bool = False
    default: Any = None

    def check(self, name: str, value: Any) -> None:
        """So many of each type as the model wants."""
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise Wrong(name, "must be a list of objects", "type")
        found = [one.get("type") for one in value]
        if unknown := set(found) - set(self.counts):
            raise Wrong(name, f"media type {min(map(str, unknown))} is not supported by this model", "type")
        for kind, (fewest, most) in self.counts.items():
            if not fewest <= found.count(kind) <= most:
                raise Wrong(name, f"needs from {fewest} to {most} of type {kind}", "count")
        for one in value:
            Medium().check(name, one.get("url"))


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its media, whether a prompt is a must, and its parameters."""

    media: Pieces | None
    parameters: Mapping[str, Input]
    needs_prompt: bool = True


_SHAPED: Mapping[str, Input] = {
    # Unless told otherwise it makes the dearer one, with a watermark.
    "resolution": Choice(("720P", "1080P"), "1080P"),
    "duration": Whole(3, 15, 5),
    "seed": Whole(0, 2**31 - 1),
    "watermark": Flag(default=True),
}
_RATIO: Mapping[str, Input] = {"ratio": Choice(_RATIOS, "16:9")}
MODELS: Mapping[str, Model] = {
    "happyhorse-1.0-t2v": Model(None, {**_SHAPED, **_RATIO}),
    "happyhorse-1.0-i2v": Model(Pieces({"first_frame": (1, 1)}, required=True), _SHAPED, needs_prompt=False),
    "happyhorse-1.0-r2v": Model(Pieces({"reference_image": (1, 9)}, required=True), {**_SHAPED, **_RATIO}),
    "happyhorse-1.0-video-edit": Model(
        Pieces({"video": (1, 1), "reference_image": (0, 5)}, required=True),
        {
            "resolution": _SHAPED["resolution"],
            "seed": _SHAPED["seed"],
            "watermark": _SHAPED["watermark"],
            "audio_setting": Choice(("auto", "origin"), "auto"),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid request, without its prompt."""

    film: Output
    resolution: str
    ratio: str
    input_seconds: int


def parse(body: Mapping[str, Any]) -> Wanted:
    """What is asked for. Raises Wrong; an unknown model is the caller's to find."""
    model = MODELS[body["model"]]
    given, parameters = body.get("input"), body.get("parameters", {})
    if not isinstance(given, dict) or not isinstance(parameters, dict):
        raise Wrong("input", "must be an object", "type")
    # Their client sends the latter two with every call.
    fields: dict[str, Input] = {
        "prompt": Text(2_500, required=model.needs_prompt),
        "extend_prompt": Flag(default=True),
        "function": Text(),
    }
    if model.media is not None:
        fields["media"] = model.media
    media = read(fields, given).get("media") or []
    values = read(model.parameters, parameters)
    resolution, ratio = values["resolution"], values.get("ratio", "16:9")
    source = next((one["url"] for one in media if one["type"] == "video"), None)
    if source is not None:
        film = frames.upscaled(source, 1)
        return Wanted(film, resolution, ratio, film.seconds)
    film = frames.film(resolution.lower(), ratio, values["duration"], audio=True)
    return Wanted(film, resolution, ratio, 0)
