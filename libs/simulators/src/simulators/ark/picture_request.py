"""What the images endpoint accepts: Seedream 5.0 Lite."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.ark.request import choice, flag, whole
from simulators.ark.scenarios import Refusal

MODELS = frozenset(
    {
        "seedream-5-0-260128", "seedream-5-0-lite-260128",
        "doubao-seedream-5-0-260128", "doubao-seedream-5-0-lite-260128",
    }
)  # fmt: skip
PARAMETERS = frozenset(
    {
        "model", "prompt", "image", "size", "response_format", "output_format", "watermark", "stream", "tools",
        "sequential_image_generation", "sequential_image_generation_options", "optimize_prompt_options",
        # Of older models; the client sends them as null.
        "seed", "guidance_scale", "optimize_prompt", "layer_decomposition",
    }
)  # fmt: skip
OF_OLDER_MODELS = ("seed", "guidance_scale", "optimize_prompt", "layer_decomposition")
NAMED = {"2k": (2048, 2048), "3k": (3072, 3072), "4k": (4096, 4096)}
FEWEST_PIXELS, MOST_PIXELS = 2560 * 1440, 4096 * 4096
MOST_REFERENCES = 14
MOST_IN_AND_OUT = 15

_SIZE = re.compile(r"(\d{3,5})x(\d{3,5})")
_SOURCE = re.compile(r"https?://.|data:image/[a-z]+;base64,[A-Za-z0-9+/]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WantedPictures:
    """A valid request, without its prompt."""

    model: str
    width: int
    height: int
    count: int
    """One, or with a sequence the most there can be; the model may draw fewer."""
    kind: str
    inline: bool
    stream: bool
    references: int

    @property
    def size(self) -> str:
        """The size as the answer spells it."""
        return f"{self.width}x{self.height}"

    def usage(self, drawn: int) -> dict[str, Any]:
        """The usage block for so many pictures: a token for every 256 pixels."""
        tokens = drawn * (self.width * self.height // 256)
        counted = {"generated_images": drawn, "output_tokens": tokens, "total_tokens": tokens}
        return counted | ({"input_images": self.references} if self.references else {})


def parse(body: dict[str, Any]) -> tuple[WantedPictures, str]:
    """The request and its prompt, judged as Ark judges them; raises Refusal. A field that is null is not sent."""
    body = {name: value for name, value in body.items() if value is not None}
    model, prompt = body.get("model"), body.get("prompt")
    if model is None:
        raise Refusal.missing("model")
    if not isinstance(model, str) or (model not in MODELS and not model.startswith("ep-")):
        raise Refusal.no_model()
    if unknown := body.keys() - PARAMETERS:
        raise Refusal.invalid(min(unknown), "is unknown")
    for name in OF_OLDER_MODELS:
        if name in body:
            raise Refusal.invalid(name, f"is not supported by {model[:64]}")
    if prompt is None:
        raise Refusal.missing("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise Refusal.invalid("prompt", "must be a non-empty string")
    references = _references(body.get("image", []))
    count = _count(body)
    if references + count > MOST_IN_AND_OUT:
        raise Refusal.invalid("image", f"and outputs may be {MOST_IN_AND_OUT} in all")
    flag(body, "watermark", default=True)
    width, height = _size(body.get("size", "2K"))
    wanted = WantedPictures(
        model=model,
        width=width,
        height=height,
        count=count,
        kind=choice(body, "output_format", ("jpeg", "png"), "jpeg"),
        inline=choice(body, "response_format", ("url", "b64_json"), "url") == "b64_json",
        stream=flag(body, "stream", default=False),
        references=references,
    )
    return wanted, prompt


def _references(image: Any) -> int:
    given = image if isinstance(image, list) else [image]
    if len(given) > MOST_REFERENCES:
        raise Refusal.invalid("image", f"holds more than {MOST_REFERENCES} images")
    if not all(isinstance(one, str) and _SOURCE.match(one) for one in given):
        raise Refusal.invalid("image", "must be a URL or a data URI, or a list of such")
    return len(given)


def _count(body: Mapping[str, Any]) -> int:
    sequence = choice(body, "sequential_image_generation", ("disabled", "auto"), "disabled")
    options = body.get("sequential_image_generation_options", {})
    if not isinstance(options, dict):
        raise Refusal.invalid("sequential_image_generation_options", "must be an object")
    most = whole(options, "max_images", 1, MOST_IN_AND_OUT, MOST_IN_AND_OUT)
    # Left to itself the model draws as many as the prompt speaks of; here that is one.
    return most if sequence == "auto" and "max_images" in options else 1


def _size(value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        if value.lower() in NAMED:
            return NAMED[value.lower()]
        if match := _SIZE.fullmatch(value):
            width, height = int(match[1]), int(match[2])
            if not FEWEST_PIXELS <= width * height <= MOST_PIXELS:
                raise Refusal.invalid("size", f"must have from {FEWEST_PIXELS} to {MOST_PIXELS} pixels")
            if not 1 / 16 <= width / height <= 16:
                raise Refusal.invalid("size", "must have a ratio from 1:16 to 16:1")
            return width, height
    raise Refusal.invalid("size", "must be 2K, 3K, 4K or WIDTHxHEIGHT")
