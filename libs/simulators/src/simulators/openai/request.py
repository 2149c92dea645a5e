"""What the images API accepts, and what it says about the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.openai.errors import Refusal

MODELS = frozenset(
    {
        "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.5-sunburst",
        "gpt-image-2.5-flare", "gpt-image-2.6-sunburst", "gpt-image-2.6-flare", "chatgpt-image-latest",
    }
)  # fmt: skip
CLASSIC = frozenset({"gpt-image-1-mini", "gpt-image-1.5"})
CLASSIC_SIZES = ("1024x1024", "1536x1024", "1024x1536")
PARAMETERS = frozenset(
    {
        "prompt", "model", "n", "size", "quality", "background", "moderation", "output_format", "output_compression",
        "partial_images", "stream", "response_format", "user", "safety_identifier", "complexity", "style",
    }
)  # fmt: skip
WHOLE = ("n", "output_compression", "partial_images")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "quality": ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"),
    "background": ("auto", "transparent", "opaque"),
    "moderation": ("auto", "low"),
    "output_format": ("png", "jpeg", "webp"),
    "response_format": ("b64_json", "url"),
}
LONGEST_PROMPT = 32_000
MOST_PIXELS = 8_294_400
LONGEST_SIDE = 3_840
# Output tokens of a square picture of 1024; other sizes in proportion.
TOKENS = {"low": 272, "medium": 1_056, "high": 4_160}

INPUT_TOKENS = 1_024
MOST_IMAGES = 16

_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid request."""

    prompt: str
    model: str
    n: int
    width: int
    height: int
    quality: str
    background: str
    output_format: str
    compression: int
    stream: bool
    partial_images: int
    input_images: int = 0

    @property
    def size(self) -> str:
        """The size as the API spells it."""
        return f"{self.width}x{self.height}"

    @property
    def usage(self) -> dict[str, Any]:
        """The usage block of the answer."""
        text = len(self.prompt) // 4 + 1
        image = self.n * max(1, TOKENS[self.quality] * self.width * self.height // 1_048_576)
        seen = self.input_images * INPUT_TOKENS
        return {
            "input_tokens": text + seen,
            "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
            "output_tokens": image,
            "output_tokens_details": {"image_tokens": image, "text_tokens": 0},
            "total_tokens": text + seen + image,
        }


def _size(value: object, model: str) -> tuple[int, int]:
    if value in (None, "auto"):
        return 1024, 1024
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refusal.invalid("size", f"Invalid size '{value}'. Use 'auto' or WIDTHxHEIGHT.")
    if model in CLASSIC and value not in CLASSIC_SIZES:
        raise Refusal.invalid("size", f"Invalid size '{value}'. {model} draws: {', '.join(CLASSIC_SIZES)}, auto.")
    width, height = int(match[1]), int(match[2])
    if width % 16 or height % 16:
        raise Refusal.invalid("size", "Width and height must both be divisible by 16.")
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise Refusal.invalid("size", f"Size '{value}' is larger than {model} can make.")
    if not 1 / 3 <= width / height <= 3:
        raise Refusal.invalid("size", "The aspect ratio must be between 1:3 and 3:1.")
    return width, height


def _whole(body: Mapping[str, Any], name: str, low: int, high: int, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal.invalid(name, f"Invalid type for '{name}': expected an integer.", code="invalid_type")
    if not low <= value <= high:
        raise Refusal.invalid(name, f"'{name}' must be between {low} and {high}.")
    return value


def parse_edit(fields: Mapping[str, str], images: int, masks: int) -> Wanted:
    """An edit, whose numbers come as text; raises Refusal."""
    if not 1 <= images <= MOST_IMAGES:
        raise Refusal.invalid(
            "image", f"From 1 to {MOST_IMAGES} images are needed.", code="missing_required_parameter"
        )
    if masks > 1:
        raise Refusal.invalid("mask", "Only one mask is allowed.")
    body: dict[str, Any] = {
        name: int(value) if name in WHOLE and value.isdigit() else value for name, value in fields.items()
    }
    if "stream" in body:
        body["stream"] = body["stream"] == "true"
    return replace(parse(body, PARAMETERS - {"moderation"} | {"input_fidelity"}), input_images=images + masks)


def parse(body: dict[str, Any], parameters: frozenset[str] = PARAMETERS) -> Wanted:
    """The request, judged as the API judges it; raises Refusal."""
    if unknown := body.keys() - parameters:
        name = min(unknown)
        raise Refusal.invalid(name, f"Unknown parameter: '{name}'.", code="unknown_parameter")
    prompt, model = body.get("prompt"), body.get("model", "gpt-image-2")
    if prompt is None:
        raise Refusal.invalid("prompt", "Missing required parameter: 'prompt'.", code="missing_required_parameter")
    if not isinstance(prompt, str) or not prompt:
        raise Refusal.invalid("prompt", "Invalid 'prompt': expected a non-empty string.")
    if len(prompt) > LONGEST_PROMPT:
        raise Refusal.invalid(
            "prompt", f"Invalid 'prompt': longer than {LONGEST_PROMPT}.", code="string_above_max_length"
        )
    if model not in MODELS:
        raise Refusal.no_model(str(model)[:100])
    for name, allowed in CHOICES.items():
        if body.get(name) is not None and body[name] not in allowed:
            raise Refusal.invalid(name, f"Invalid value for '{name}'. Supported values are: {', '.join(allowed)}.")
    output_format = body.get("output_format") or "png"
    background = body.get("background") or "auto"
    if background == "transparent" and output_format == "jpeg":
        raise Refusal.invalid("background", "Transparent background is not supported for jpeg.")
    width, height = _size(body.get("size"), model)
    quality = body.get("quality") or "auto"
    return Wanted(
        prompt=prompt,
        model=model,
        n=_whole(body, "n", 1, 10, 1),
        width=width,
        height=height,
        quality=quality if quality in TOKENS else {"standard": "medium"}.get(quality, "high"),
        background="transparent" if background == "transparent" else "opaque",
        output_format=output_format,
        compression=_whole(body, "output_compression", 0, 100, 100),
        stream=bool(body.get("stream")),
        partial_images=_whole(body, "partial_images", 0, 3, 0),
    )
