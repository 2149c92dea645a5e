"""The endpoints of fal that this stand-in runs: what each accepts, and what its answer is drawn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators import frames
from simulators.ark.request import FRAMES, TURNED
from simulators.inputs import Choice, Flag, Input, Media, Medium, Number, Text, Whole, Wrong, read
from simulators.links import Output

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """What a valid input asks for: outputs without seeds, and how they are called in the result."""

    outputs: tuple[Output, ...]
    key: str
    units: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model's way in: its fields, and what it makes of their values."""

    fields: Mapping[str, Input]
    run: Callable[[Values], Run]

    def __call__(self, body: Values) -> Run:
        """What this input asks for. Raises Wrong, which fal tells with the result: it queues before it looks."""
        return self.run(read(self.fields, body))


@dataclass(frozen=True, slots=True)
class Size:
    """`image_size`: a preset or width and height, within pixels and ratio."""

    presets: Mapping[str, tuple[int, int]]
    multiple: int
    longest: int
    pixels: tuple[int, int]
    default: Any
    required: bool = False

    def check(self, name: str, value: Any) -> None:
        """A known preset, or a size that the model can draw."""
        if not isinstance(value, dict):
            if value not in self.presets:
                raise Wrong(name, "Input should be a preset or a width and a height", "one_of")
            return
        for side in ("width", "height"):
            length = value.get(side)
            if isinstance(length, bool) or not isinstance(length, int):
                raise Wrong(name, f"{side} should be a valid integer", "int_type")
            if length % self.multiple:
                raise Wrong(name, f"{side} should be a multiple of {self.multiple}", "multiple_of")
            if not 16 <= length <= self.longest:
                raise Wrong(name, f"{side} should be at most {self.longest}", "less_than_equal")
        width, height = value["width"], value["height"]
        if not self.pixels[0] <= width * height <= self.pixels[1] or not 1 / 3 <= width / height <= 3:
            raise Wrong(name, "The size is out of range", "less_than_equal")

    def of(self, value: Any) -> tuple[int, int]:
        """Width and height."""
        return (value["width"], value["height"]) if isinstance(value, dict) else self.presets[value]


_PRESETS = {
    "square_hd": (1024, 1024), "square": (512, 512), "portrait_4_3": (768, 1024), "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768), "landscape_16_9": (1024, 576),
}  # fmt: skip
_PROMPT = Text(required=True)
_SEED = Whole(0, 2**31 - 1)
_FORMATS = ("png", "jpeg", "webp")


def _pictures(values: Values, size: tuple[int, int]) -> Run:
    count, kind = values["num_images"], values.get("output_format", "png")
    return Run((Output(b"", *size, kind),) * count, "images", count)


def _film(made: Output, units: float | None = None) -> Run:
    return Run((made,), "video", made.seconds if units is None else units)


def _gpt_image(*, edit: bool) -> Endpoint:
    size = Size({**_PRESETS, "auto": (1024, 1024)}, 16, 3840, (256, 8_294_400), "auto" if edit else "landscape_4_3")
    fields: dict[str, Input] = {
        "prompt": _PROMPT,
        "num_images": Whole(1, 4, 1),
        "image_size": size,
        "quality": Choice(("auto", "low", "medium", "high"), "high"),
        "output_format": Choice(_FORMATS, "png"),
        "sync_mode": Flag(default=False),
    }
    if edit:
        fields |= {"image_urls": Media(16, required=True), "mask_url": Medium()}
    return Endpoint(fields, lambda values: _pictures(values, size.of(values["image_size"])))


def _gpt_image_15() -> Endpoint:
    frame = ("1024x1024", "1536x1024", "1024x1536")
    fields: dict[str, Input] = {
        "prompt": _PROMPT,
        "num_images": Whole(1, 4, 1),
        "image_size": Choice(frame, frame[0]),
        "background": Choice(("auto", "transparent", "opaque"), "auto"),
        "quality": Choice(("low", "medium", "high"), "high"),
        "output_format": Choice(_FORMATS, "png"),
        "sync_mode": Flag(default=False),
    }

    def run(values: Values) -> Run:
        width, _, height = values["image_size"].partition("x")
        return _pictures(values, (int(width), int(height)))

    return Endpoint(fields, run)


def _nano_banana(tiers: tuple[str, ...], *, edit: bool, references: int = 14) -> Endpoint:
    ratios: tuple[str, ...] = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
    if "0.5K" in tiers:
        ratios += ("4:1", "1:4", "8:1", "1:8")
    fields: dict[str, Input] = {
        "prompt": _PROMPT,
        "num_images": Whole(1, 4, 1),
        "aspect_ratio": Choice((*ratios, "auto"), "auto" if edit or tiers else "1:1"),
        "output_format": Choice(_FORMATS, "png"),
        "safety_tolerance": Choice(("1", "2", "3", "4", "5", "6"), "4"),
        "seed": _SEED,
        "limit_generations": Flag(default=False),
        "sync_mode": Flag(default=False),
    }
    if tiers:
        fields |= {"resolution": Choice(tiers, "1K"), "enable_web_search": Flag(default=False)}
    if "0.5K" in tiers:
        fields["thinking_level"] = Choice(("minimal", "high"))
    if edit:
        fields["image_urls"] = Media(references, required=True)

    def run(values: Values) -> Run:
        drawn = frames.picture(values.get("resolution", "1K"), values["aspect_ratio"], values["output_format"])
        return _pictures(values, (drawn.width, drawn.height))

    return Endpoint(fields, run)


def _seedream(*, edit: bool) -> Endpoint:
    presets = {name: (2 * width, 2 * height) for name, (width, height) in _PRESETS.items()}
    presets |= {"square": (2048, 2048), "auto_2K": (2048, 2048), "auto_3K": (3072, 3072)}
    size = Size(presets, 1, 4704, (2560 * 1440, 4096 * 4096), "auto_2K")
    fields: dict[str, Input] = {
        "prompt": _PROMPT,
        "image_size": size,
        "num_images": Whole(1, 6, 1),
        "max_images": Whole(1, 6, 1),
        "enable_safety_checker": Flag(default=True),
        "sync_mode": Flag(default=False),
    }
    if edit:
        fields["image_urls"] = Media(10, required=True)
    return Endpoint(fields, lambda values: _pictures(values, size.of(values["image_size"])))


def _seedance(*tiers: str, **media: Input) -> Endpoint:
    fields: dict[str, Input] = {
        "prompt": _PROMPT,
        "resolution": Choice(tiers, "720p"),
        "duration": Choice(("auto", *map(str, range(4, 16))), "auto"),
        "aspect_ratio": Choice(("auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"), "auto"),
        "generate_audio": Flag(default=True),
        "seed": _SEED,
        "end_user_id": Text(),
        **media,
    }

    def run(values: Values) -> Run:
        ratio = values["aspect_ratio"]
        width, height = FRAMES[values["resolution"]][TURNED.get(ratio, "16:9" if ratio == "auto" else ratio)]
        if ratio in TURNED:
            width, height = height, width
        seconds = 5 if values["duration"] == "auto" else int(values["duration"])
        film = Output(b"", width, height, "mp4", seconds, values["generate_audio"])
        return _film(film, width * height * 24 * seconds / 1_024_000)

    return Endpoint(fields, run)


_FIRST = {"image_url": Medium(required=True), "end_image_url": Medium()}
_REFERENCES = {"image_urls": Media(9), "video_urls": Media(3), "audio_urls": Media(3)}


def _happy_horse(*, ratios: bool = True, **media: Input) -> Endpoint:
    fields: dict[str, Input] = {
        "prompt": Text(2_500, required=True),
        "resolution": Choice(("720p", "1080p"), "1080p"),
        "duration": Whole(3, 15, 5),
        "seed": _SEED,
        **({"aspect_ratio": Choice(("16:9", "9:16", "1:1", "4:3", "3:4"), "16:9")} if ratios else {}),
        **media,
    }
    return Endpoint(
        fields,
        lambda values: _film(
            frames.film(values["resolution"], values.get("aspect_ratio", "16:9"), values["duration"], audio=True)
        ),
    )


def _vidu(*, ratios: bool = True, **media: Input) -> Endpoint:
    fields: dict[str, Input] = {
        "prompt": Text(2_000, required=True),
        "duration": Whole(1, 16, 5),
        "resolution": Choice(("360p", "540p", "720p", "1080p"), "720p"),
        "audio": Flag(default=True),
        "seed": _SEED,
        **({"aspect_ratio": Choice(("16:9", "9:16", "4:3", "3:4", "1:1"), "16:9")} if ratios else {}),
        **media,
    }
    return Endpoint(
        fields,
        lambda values: _film(
            frames.film(
                values["resolution"],
                values.get("aspect_ratio", "16:9"),
                values["duration"],
                audio=bool(values["audio"]),
            )
        ),
    )


def _grok(*, timed: bool = True, **media: Input) -> Endpoint:
    fields: dict[str, Input] = {
        "prompt": Text(4_096, required=True),
        "resolution": Choice(("480p", "720p"), "720p"),
        **media,
    }
    if timed:
        ratios = ("auto", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16")
        fields |= {"duration": Whole(1, 15, 6), "aspect_ratio": Choice(ratios, "16:9")}
    return Endpoint(
        fields,
        lambda values: _film(
            frames.film(
                values["resolution"], values.get("aspect_ratio", "16:9"), values.get("duration", 6), audio=True
            )
        ),
    )


def _veo(*tiers: str, auto: bool = False, **media: Input) -> Endpoint:
    ratios = ("16:9", "9:16", "auto") if auto else ("16:9", "9:16")
    fields: dict[str, Input] = {
        "prompt": _PROMPT,
        "aspect_ratio": Choice(ratios, ratios[-1] if auto else "16:9"),
        "duration": Choice(("4s", "6s", "8s"), "8s"),
        "resolution": Choice(tiers, "720p"),
        "generate_audio": Flag(default=True),
        "negative_prompt": Text(),
        "seed": _SEED,
        "auto_fix": Flag(default=False),
        "safety_tolerance": Choice(("1", "2", "3", "4", "5", "6"), "4"),
        **media,
    }

    def run(values: Values) -> Run:
        seconds = int(values["duration"].removesuffix("s"))
        sound = bool(values["generate_audio"])
        return _film(frames.film(values["resolution"], values["aspect_ratio"], seconds, audio=sound))

    return Endpoint(fields, run)


_TOPAZ: Mapping[str, Input] = {
    "video_url": Medium(required=True),
    "model": Text(default="Proteus"),
    "upscale_factor": Number(1, 4, 2),
    "target_fps": Whole(16, 60),
    "compression": Number(0, 1),
    "noise": Number(0, 1),
    "halo": Number(0, 1),
    "grain": Number(0, 1),
    "recover_detail": Number(0, 1),
    "H264_output": Flag(default=False),
}


_NANO_BANANAS: Mapping[str, tuple[str, ...]] = {
    "nano-banana": (),
    "nano-banana-2": ("0.5K", "1K", "2K", "4K"),
    "nano-banana-pro": ("1K", "2K", "4K"),
}
_SEEDANCES: Mapping[str, tuple[str, ...]] = {
    "bytedance/seedance-2.0": tuple(FRAMES),
    "bytedance/seedance-2.0/fast": ("480p", "720p"),
}
_VEOS: Mapping[str, tuple[str, ...]] = {
    "fal-ai/veo3.1": ("720p", "1080p", "4k"),
    "fal-ai/veo3.1/fast": ("720p", "1080p", "4k"),
    "fal-ai/veo3.1/lite": ("720p", "1080p"),
}


def _endpoints() -> dict[str, Endpoint]:
    found = {
        "openai/gpt-image-2": _gpt_image(edit=False),
        "openai/gpt-image-2/edit": _gpt_image(edit=True),
        "fal-ai/gpt-image-1.5": _gpt_image_15(),
        "bytedance/seedream/v5/lite/text-to-image": _seedream(edit=False),
        "bytedance/seedream/v5/lite/edit": _seedream(edit=True),
        "alibaba/happy-horse/text-to-video": _happy_horse(),
        "alibaba/happy-horse/image-to-video": _happy_horse(ratios=False, image_url=Medium(required=True)),
        "alibaba/happy-horse/reference-to-video": _happy_horse(image_urls=Media(9, required=True)),
        "alibaba/happy-horse/video-edit": _happy_horse(video_url=Medium(required=True), image_urls=Media(4)),
        "xai/grok-imagine-video/text-to-video": _grok(),
        "xai/grok-imagine-video/image-to-video": _grok(image_url=Medium(required=True)),
        "xai/grok-imagine-video/reference-to-video": _grok(reference_image_urls=Media(7, required=True)),
        "xai/grok-imagine-video/edit-video": _grok(timed=False, video_url=Medium(required=True)),
        "fal-ai/topaz/upscale/video": Endpoint(
            _TOPAZ, lambda values: _film(frames.upscaled(values["video_url"], values["upscale_factor"]))
        ),
    }
    for name, sizes in _NANO_BANANAS.items():
        found[f"fal-ai/{name}"] = _nano_banana(sizes, edit=False)
        found[f"fal-ai/{name}/edit"] = _nano_banana(sizes, edit=True)
    for base, tiers in _SEEDANCES.items():
        found[f"{base}/text-to-video"] = _seedance(*tiers)
        found[f"{base}/image-to-video"] = _seedance(*tiers, **_FIRST)
        found[f"{base}/reference-to-video"] = _seedance(*tiers, **_REFERENCES)
    for turbo in ("", "/turbo"):
        found[f"fal-ai/vidu/q3/text-to-video{turbo}"] = _vidu()
        found[f"fal-ai/vidu/q3/image-to-video{turbo}"] = _vidu(ratios=False, **_FIRST)
    for base, tiers in _VEOS.items():
        found[base] = _veo(*tiers)
        found[f"{base}/image-to-video"] = _veo(*tiers, auto=True, image_url=Medium(required=True))
        found[f"{base}/first-last-frame-to-video"] = _veo(
            *tiers, auto=True, first_frame_url=Medium(required=True), last_frame_url=Medium(required=True)
        )
        found[f"{base}/reference-to-video"] = _veo(*tiers, image_urls=Media(3, required=True))
    return found


ENDPOINTS: Mapping[str, Endpoint] = _endpoints()
APPS = frozenset("/".join(endpoint.split("/")[:2]) for endpoint in ENDPOINTS)
