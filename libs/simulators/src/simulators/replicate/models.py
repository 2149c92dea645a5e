"""The official models of Replicate that this stand-in runs: what each accepts, and what its output looks like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators import frames
from simulators.inputs import Choice, Flag, Input, Media, Medium, Text, Whole, read
from simulators.links import Output

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hosted:
    """One model. ``listed`` models answer with a list of URLs, others with one URL."""

    inputs: Mapping[str, Input]
    draw: Callable[[Values], tuple[Output, ...]]
    listed: bool = False

    def __call__(self, body: Values) -> tuple[Output, ...]:
        """The outputs that an input asks for, without seeds. Raises Wrong."""
        return self.draw(read(self.inputs, body))


_PROMPT = Text(required=True)
_SEED = Whole(0, 2**31 - 1)
_FILMS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21", "adaptive")
_FACTORS = {"720p": 2, "1080p": 3, "4k": 4}
_GPT_SIZES = {"1:1": (1024, 1024), "3:2": (1536, 1024), "2:3": (1024, 1536)}


def _gpt_image(values: Values) -> tuple[Output, ...]:
    width, height = _GPT_SIZES[values["aspect_ratio"]]
    return (Output(b"", width, height, values["output_format"]),) * int(values["number_of_images"])


def _banana(values: Values) -> tuple[Output, ...]:
    return (frames.picture(values.get("resolution", "1K"), values["aspect_ratio"], values["output_format"]),)


def _seedream(values: Values) -> tuple[Output, ...]:
    return (frames.picture(values["size"], values["aspect_ratio"], values["output_format"]),)


def _film(sound: str | None) -> Callable[[Values], tuple[Output, ...]]:
    def draw(values: Values) -> tuple[Output, ...]:
        heard = True if sound is None else bool(values[sound])
        ratio = values.get("aspect_ratio") or "16:9"
        return (frames.film(values["resolution"], ratio, values["duration"], audio=heard),)

    return draw


def _nano(tiers: tuple[str, ...]) -> Hosted:
    ratios = ("match_input_image", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
    inputs: dict[str, Input] = {
        "prompt": _PROMPT,
        "image_input": Media(14),
        "aspect_ratio": Choice(ratios, "match_input_image"),
        "output_format": Choice(("jpg", "png"), "jpg"),
    }
    if tiers:
        inputs |= {
            "resolution": Choice(tiers, "1K"),
            "safety_filter_level": Choice(
                ("block_low_and_above", "block_medium_and_above", "block_only_high"), "block_only_high"
            ),
        }
    return Hosted(inputs, _banana)


def _veo(tiers: tuple[str, ...]) -> Hosted:
    return Hosted(
        {
            "prompt": _PROMPT,
            "image": Medium(),
            "last_frame": Medium(),
            "reference_images": Media(3),
            "duration": Choice((4, 6, 8), 8),
            "aspect_ratio": Choice(("16:9", "9:16"), "16:9"),
            "resolution": Choice(tiers, "720p"),
            "generate_audio": Flag(default=True),
            "negative_prompt": Text(),
            "seed": _SEED,
        },
        _film("generate_audio"),
    )


_VIDU = Hosted(
    {
        "prompt": _PROMPT,
        "duration": Whole(1, 16, 5),
        "resolution": Choice(("540p", "720p", "1080p"), "720p"),
        "aspect_ratio": Choice(("16:9", "9:16", "4:3", "3:4", "1:1"), "16:9"),
        "start_image": Medium(),
        "end_image": Medium(),
        "audio": Flag(default=True),
        "seed": _SEED,
    },
    _film("audio"),
)

MODELS: Mapping[str, Hosted] = {
    "openai/gpt-image-2": Hosted(
        {
            "prompt": _PROMPT,
            "aspect_ratio": Choice(tuple(_GPT_SIZES), "1:1"),
            "quality": Choice(("low", "medium", "high", "auto"), "auto"),
            "number_of_images": Whole(1, 10, 1),
            "input_images": Media(16),
            "output_format": Choice(("png", "jpeg", "webp"), "webp"),
            "moderation": Choice(("auto", "low"), "auto"),
            "background": Choice(("auto", "transparent", "opaque"), "auto"),
        },
        _gpt_image,
        listed=True,
    ),
    "google/nano-banana": _nano(()),
    "google/nano-banana-2": _nano(("1K", "2K", "4K")),
    "google/nano-banana-pro": _nano(("1K", "2K", "4K")),
    "bytedance/seedream-5-lite": Hosted(
        {
            "prompt": _PROMPT,
            "image_input": Media(14),
            "size": Choice(("2K", "3K"), "2K"),
            "aspect_ratio": Choice(
                ("match_input_image", "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"), "match_input_image"
            ),
            "sequential_image_generation": Choice(("disabled", "auto"), "disabled"),
            "max_images": Whole(1, 15, 1),
            "output_format": Choice(("png", "jpeg"), "png"),
        },
        _seedream,
        listed=True,
    ),
    "bytedance/seedance-2.0": Hosted(
        {
            "prompt": _PROMPT,
            "image": Medium(),
            "last_frame_image": Medium(),
            "reference_images": Media(9),
            "reference_videos": Media(3),
            "reference_audios": Media(3),
            "duration": Whole(4, 15, 5),
            "resolution": Choice(("480p", "720p", "1080p", "4k"), "720p"),
            "aspect_ratio": Choice(_FILMS, "16:9"),
            "generate_audio": Flag(default=True),
            "seed": _SEED,
        },
        _film("generate_audio"),
    ),
    "alibaba/happyhorse-1.0": Hosted(
        {
            "prompt": _PROMPT,
            "image": Medium(),
            "duration": Whole(3, 15, 5),
            "resolution": Choice(("720p", "1080p"), "720p"),
            "aspect_ratio": Choice(("16:9", "9:16", "1:1", "4:3", "3:4"), "16:9"),
            "seed": _SEED,
        },
        _film(None),
    ),
    "vidu/q3-pro": _VIDU,
    "vidu/q3-turbo": _VIDU,
    "xai/grok-imagine-video": Hosted(
        {
            "prompt": _PROMPT,
            "image": Medium(),
            "video": Medium(),
            "duration": Whole(1, 15, 6),
            "aspect_ratio": Choice(("auto", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16"), "16:9"),
            "resolution": Choice(("480p", "720p"), "720p"),
        },
        _film(None),
    ),
    "google/veo-3.1": _veo(("720p", "1080p", "4k")),
    "google/veo-3.1-fast": _veo(("720p", "1080p", "4k")),
    "google/veo-3.1-lite": _veo(("720p", "1080p")),
    "topazlabs/video-upscale": Hosted(
        {
            "video": Medium(required=True),
            "target_resolution": Choice(("720p", "1080p", "4k"), "1080p"),
            "target_fps": Whole(15, 120, 30),
        },
        lambda values: (
            frames.upscaled(values["video"], {"720p": 2, "1080p": 3, "4k": 4}[values["target_resolution"]]),
        ),
    ),
}
