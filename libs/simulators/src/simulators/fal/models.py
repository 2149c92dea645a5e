"""The endpoints of fal that this stand-in runs, and what they accept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.ark.request import FRAMES, TURNED
from simulators.fal.scenarios import model_error
from simulators.links import Output

PRESETS = {
    "square_hd": (1024, 1024), "square": (512, 512), "portrait_4_3": (768, 1024), "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768), "landscape_16_9": (1024, 576), "auto": (1024, 1024),
}  # fmt: skip
RATIOS = ("auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
DURATIONS = ("auto", *map(str, range(4, 16)))


class Invalid(Exception):  # noqa: N818 - it reads as what happened
    """The model's own refusal; it comes with the result, for fal queues a request before looking into it."""

    def __init__(self, field: str, message: str, kind: str) -> None:
        super().__init__(message)
        self.detail = [model_error(["body", field], message, kind)]


@dataclass(frozen=True, slots=True)
class Run:
    """What a valid input asks for: outputs without seeds, and how they are called in the result."""

    outputs: tuple[Output, ...]
    key: str
    units: float


def _text(body: Mapping[str, Any], name: str, *, required: bool = True) -> None:
    value = body.get(name)
    if value is None:
        if required:
            raise Invalid(name, "Field required", "missing")
    elif not isinstance(value, str) or not value:
        raise Invalid(name, "Input should be a valid string", "string_type")


def _choice(body: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = body.get(name, default)
    if value not in allowed:
        raise Invalid(name, f"Input should be one of: {', '.join(allowed)}", "one_of")
    return str(value)


def _known(body: Mapping[str, Any], allowed: frozenset[str]) -> None:
    if unknown := body.keys() - allowed:
        raise Invalid(min(unknown), "Extra inputs are not permitted", "extra_forbidden")


def _side(size: Mapping[str, Any], name: str) -> int:
    value = size.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("image_size", f"{name} should be a valid integer", "int_type")
    if value % 16:
        raise Invalid("image_size", f"{name} should be a multiple of 16", "multiple_of")
    if not 16 <= value <= 3840:
        raise Invalid("image_size", f"{name} should be at most 3840", "less_than_equal")
    return value


_IMAGE = frozenset({"prompt", "num_images", "image_size", "quality", "output_format", "background", "sync_mode"})


def image(body: Mapping[str, Any]) -> Run:
    """`openai/gpt-image-2`."""
    _known(body, _IMAGE)
    _text(body, "prompt")
    size = body.get("image_size", "landscape_4_3")
    if isinstance(size, dict):
        width, height = _side(size, "width"), _side(size, "height")
        if width * height > 8_294_400 or not 1 / 3 <= width / height <= 3:
            raise Invalid("image_size", "The size is out of range", "less_than_equal")
    elif size in PRESETS:
        width, height = PRESETS[size]
    else:
        raise Invalid("image_size", "Input should be a preset or a width and a height", "one_of")
    _choice(body, "quality", ("auto", "low", "medium", "high"), "high")
    kind = _choice(body, "output_format", ("png", "jpeg", "webp"), "png")
    count = body.get("num_images", 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 4:
        raise Invalid("num_images", "Input should be between 1 and 4", "less_than_equal")
    return Run((Output(b"", width, height, kind),) * count, "images", count)


_VIDEO = frozenset({"prompt", "resolution", "duration", "aspect_ratio", "generate_audio", "seed", "end_user_id"})


def video(body: Mapping[str, Any], extra: frozenset[str] = frozenset()) -> Run:
    """`bytedance/seedance-2.0/text-to-video`."""
    _known(body, _VIDEO | extra)
    _text(body, "prompt")
    resolution = _choice(body, "resolution", tuple(FRAMES), "720p")
    duration = _choice(body, "duration", DURATIONS, "auto")
    ratio = _choice(body, "aspect_ratio", RATIOS, "auto")
    if not isinstance(body.get("generate_audio", True), bool):
        raise Invalid("generate_audio", "Input should be a valid boolean", "bool_type")
    landscape = TURNED.get(ratio, "16:9" if ratio == "auto" else ratio)
    width, height = FRAMES[resolution][landscape]
    if ratio in TURNED:
        width, height = height, width
    seconds = 5 if duration == "auto" else int(duration)
    film = Output(b"", width, height, "mp4", seconds, body.get("generate_audio", True))
    return Run((film,), "video", width * height * 24 * seconds / 1_024_000)


def from_image(body: Mapping[str, Any]) -> Run:
    """`bytedance/seedance-2.0/image-to-video`."""
    _text(body, "image_url")
    _text(body, "end_image_url", required=False)
    return video(body, frozenset({"image_url", "end_image_url"}))


ENDPOINTS: Mapping[str, Callable[[Mapping[str, Any]], Run]] = {
    "openai/gpt-image-2": image,
    "bytedance/seedance-2.0/text-to-video": video,
    "bytedance/seedance-2.0/image-to-video": from_image,
}
APPS = frozenset("/".join(endpoint.split("/")[:2]) for endpoint in ENDPOINTS)
