"""What a video task may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.ark.scenarios import Refusal

FAST = frozenset({"dreamina-seedance-2-0-fast-260128", "doubao-seedance-2-0-fast-260128"})
MODELS = FAST | {"dreamina-seedance-2-0-260128", "doubao-seedance-2-0-260128"}
ENDPOINT = "ep-"
# Frame sizes by resolution and ratio, landscape; portrait ratios are the same turned.
FRAMES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "480p": {"16:9": (864, 496), "4:3": (752, 560), "1:1": (640, 640), "21:9": (992, 432)},
    "720p": {"16:9": (1280, 720), "4:3": (1112, 834), "1:1": (960, 960), "21:9": (1470, 630)},
    "1080p": {"16:9": (1920, 1080), "4:3": (1664, 1248), "1:1": (1440, 1440), "21:9": (2206, 946)},
    "4k": {"16:9": (3840, 2160), "4:3": (3328, 2496), "1:1": (2880, 2880), "21:9": (4412, 1892)},
}
TURNED = {"9:16": "16:9", "3:4": "4:3"}
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive")
ROLES = {
    "image_url": ("first_frame", "last_frame", "reference_image"),
    "video_url": ("reference_video",),
    "audio_url": ("reference_audio",),
}
MOST = {"image_url": 9, "video_url": 3, "audio_url": 3}
PARAMETERS = frozenset(
    {
        "model", "content", "resolution", "ratio", "duration", "generate_audio", "watermark", "seed",
        "return_last_frame", "camera_fixed", "callback_url", "service_tier", "execution_expires_after", "priority",
        "safety_identifier", "draft", "frames", "output_format", "omni_reference_task_type", "tools",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid task, without its prompt: that is only hashed."""

    model: str
    resolution: str
    ratio: str
    duration: int
    generate_audio: bool
    seed: int
    return_last_frame: bool
    callback_url: str | None
    service_tier: str
    expires_after_s: int
    has_video_input: bool

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height of the film."""
        sizes = FRAMES[self.resolution]
        ratio = "16:9" if self.ratio == "adaptive" else self.ratio
        if ratio in TURNED:
            width, height = sizes[TURNED[ratio]]
            return height, width
        return sizes[ratio]

    @property
    def tokens(self) -> int:
        """What the provider bills."""
        width, height = self.frame
        return width * height * 24 * self.duration // 1024


def choice(body: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of a few words; raises Refusal."""
    value = body.get(name, default)
    if value not in allowed:
        raise Refusal.invalid(name, f"must be one of {', '.join(allowed)}")
    return str(value)


def flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """True or false; raises Refusal."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise Refusal.invalid(name, "must be a boolean")
    return value


def whole(body: Mapping[str, Any], name: str, low: int, high: int, default: int) -> int:
    """A whole number within its range; raises Refusal."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refusal.invalid(name, f"must be an integer from {low} to {high}")
    return value


def _content(body: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The text, and (type, role) of each reference."""
    content = body.get("content")
    if content is None:
        raise Refusal.missing("content")
    if not isinstance(content, list) or not content:
        raise Refusal.invalid("content", "must be a non-empty array")
    texts, references = [], []
    for index, part in enumerate(content):
        where = f"content[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            if not isinstance(part.get("text"), str) or not part["text"]:
                raise Refusal.invalid(f"{where}.text", "must be a non-empty string")
            texts.append(part["text"])
        elif kind in ROLES:
            holder = part.get(kind)
            url = holder.get("url") if isinstance(holder, dict) else None
            if not isinstance(url, str) or not url.startswith(("https://", "http://", "data:", "asset://")):
                raise Refusal.invalid(f"{where}.{kind}.url", "must be a URL")
            if kind == "video_url" and url.startswith("data:"):
                raise Refusal.invalid(f"{where}.{kind}.url", "must be a web URL")
            role = part.get("role") or ROLES[kind][0]
            if role not in ROLES[kind]:
                raise Refusal.invalid(f"{where}.role", f"must be one of {', '.join(ROLES[kind])}")
            references.append((kind, role))
        else:
            raise Refusal.invalid(f"{where}.type", "is not supported")
    return "\n".join(texts), references


def _check_references(references: list[tuple[str, str]]) -> None:
    kinds = [kind for kind, _ in references]
    roles = [role for _, role in references]
    for kind, most in MOST.items():
        if kinds.count(kind) > most:
            raise Refusal.invalid("content", f"holds more than {most} of {kind}")
    if roles.count("first_frame") > 1 or roles.count("last_frame") > 1:
        raise Refusal.invalid("content", "holds a frame role twice")
    if "last_frame" in roles and "first_frame" not in roles:
        raise Refusal.invalid("content", "holds a last frame without a first")
    if {"first_frame", "last_frame"} & set(roles) and any(role.startswith("reference") for role in roles):
        raise Refusal.invalid("content", "mixes frames and references")
    if "audio_url" in kinds and not {"image_url", "video_url"} & set(kinds):
        raise Refusal.invalid("content", "holds audio without an image or a video")


def parse(body: dict[str, Any]) -> tuple[Wanted, str]:
    """The task and its prompt, judged as Ark judges them; raises Refusal. A field that is null is not sent."""
    body = {name: value for name, value in body.items() if value is not None}
    model = body.get("model")
    if model is None:
        raise Refusal.missing("model")
    if not isinstance(model, str) or (model not in MODELS and not model.startswith(ENDPOINT)):
        raise Refusal.no_model()
    if unknown := body.keys() - PARAMETERS:
        raise Refusal.invalid(min(unknown), "is unknown")
    prompt, references = _content(body)
    if not prompt and not references:
        raise Refusal.missing("content.text")
    _check_references(references)
    resolutions = ("480p", "720p") if model in FAST else tuple(FRAMES)
    duration = body.get("duration", 5)
    callback_url = body.get("callback_url")
    if callback_url is not None and not str(callback_url).startswith(("https://", "http://")):
        raise Refusal.invalid("callback_url", "must be a URL")
    wanted = Wanted(
        model=model,
        resolution=choice(body, "resolution", resolutions, "720p"),
        ratio=choice(body, "ratio", RATIOS, "adaptive"),
        duration=5 if duration == -1 else whole(body, "duration", 4, 15, 5),
        generate_audio=flag(body, "generate_audio", default=True),
        seed=whole(body, "seed", -1, 2**32 - 1, -1),
        return_last_frame=flag(body, "return_last_frame", default=False),
        callback_url=callback_url,
        service_tier=choice(body, "service_tier", ("default", "flex"), "default"),
        expires_after_s=whole(body, "execution_expires_after", 3_600, 259_200, 172_800),
        has_video_input=any(kind == "video_url" for kind, _ in references),
    )
    flag(body, "watermark", default=False)
    return wanted, prompt
