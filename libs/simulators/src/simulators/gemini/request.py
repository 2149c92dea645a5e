"""What `generateContent` accepts of its image models, and what it says about the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from simulators.gemini.errors import Refusal
from simulators.gemini.models import MODELS, Model

_TOP = frozenset(
    {"contents", "generationConfig", "safetySettings", "systemInstruction", "tools", "toolConfig", "cachedContent"}
)
_CONFIG = frozenset(
    {
        "temperature", "topP", "topK", "seed", "candidateCount", "maxOutputTokens", "stopSequences",
        "presencePenalty", "frequencyPenalty", "responseModalities", "responseMimeType", "mediaResolution",
        "thinkingConfig", "imageConfig",
    }
)  # fmt: skip
_PART = frozenset({"text", "inlineData", "fileData", "thought", "thoughtSignature", "mediaResolution"})
_IMAGE = frozenset({"aspectRatio", "imageSize"})
# The Gemini API knows none of these.
_VERTEX_TOP = frozenset({"labels", "modelArmorConfig"})
_VERTEX_IMAGE = frozenset({"personGeneration", "prominentPeople", "imageOutputOptions"})
_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_CATEGORIES = frozenset(
    f"HARM_CATEGORY_{word}" for word in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
)
_THRESHOLDS = frozenset({"BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"})
_MOST_BYTES = 20 * 2**20

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid request."""

    prompt: str
    name: str
    model: Model
    ratio: str
    size: str
    references: int
    output_format: str
    compression: int
    thoughts: bool
    pictures: bool
    """Whether pictures are among the modalities that were asked for."""
    journalled: Any
    """The body without its media."""


def _object(value: Any, names: frozenset[str], at: str) -> dict[str, Any]:
    """A message's fields, which may be spelled in camel case or in snake case."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal.invalid(f"Invalid value at '{at}': expected an object.")
    found = {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): one for name, one in value.items()}
    for name, written in zip(found, value, strict=True):
        if name not in names:
            raise Refusal.unknown(str(written)[:80], at)
    return found


def _list(value: Any, at: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refusal.invalid(f"Invalid value at '{at}': expected a list.")
    return value


def parse(body: Object, name: str, length: int, *, vertex: bool) -> Wanted:
    """The request, judged as Google judges it; raises Refusal."""
    if length > _MOST_BYTES:
        raise Refusal.invalid(f"Request payload size exceeds the limit: {_MOST_BYTES} bytes.")
    model = MODELS[name]
    top = _object(body, _TOP | (_VERTEX_TOP if vertex else frozenset()), "")
    config = _object(top.get("generationConfig"), _CONFIG, "generation_config")
    texts, references, contents = _contents(top.get("contents"), vertex=vertex)
    if references > model.references:
        raise Refusal.invalid(f"The model takes at most {model.references} images.")
    _safety(top.get("safetySettings"))
    if config.get("candidateCount", 1) != 1:
        raise Refusal.invalid("Multiple candidates is not enabled for this model")
    modalities = _list(config.get("responseModalities", ["TEXT", "IMAGE"]), "generation_config.response_modalities")
    if not modalities or not {str(one).upper() for one in modalities} <= {"TEXT", "IMAGE"}:
        raise Refusal.invalid("The requested combination of response modalities is not supported by the model.")
    at = "generation_config.thinking_config"
    thinking = _object(config.get("thinkingConfig"), frozenset({"includeThoughts", "thinkingLevel"}), at)
    image = _object(
        config.get("imageConfig"),
        _IMAGE | (_VERTEX_IMAGE if vertex else frozenset()),
        "generation_config.image_config",
    )
    ratio, size = image.get("aspectRatio", "1:1"), image.get("imageSize", "1K")
    if ratio not in model.frames:
        raise Refusal.invalid(f"Invalid aspect ratio. Supported: {', '.join(model.frames)}.")
    if size not in model.sizes and (size != "1K" or "imageSize" in image):
        raise Refusal.invalid("Image size is not supported by this model.")
    output_format, compression = _output(image.get("imageOutputOptions"))
    return Wanted(
        prompt="\n".join(texts),
        name=name,
        model=model,
        ratio=ratio,
        size=size,
        references=references,
        output_format=output_format,
        compression=compression,
        thoughts=bool(thinking.get("includeThoughts")),
        pictures="IMAGE" in {str(one).upper() for one in modalities},
        journalled={**top, **_sealed(top, "systemInstruction"), "contents": contents},
    )


def _sealed(top: Object, name: str) -> dict[str, bytes]:
    """A field of free text as bytes, of which the journal keeps a fingerprint."""
    return {name: orjson.dumps(top[name])} if name in top else {}


def _contents(value: Any, *, vertex: bool) -> tuple[list[str], int, list[Any]]:
    """The texts, how many pictures there are, and all of it without media."""
    texts: list[str] = []
    references, journalled = 0, []
    contents = _list(value, "contents")
    if not contents:
        raise Refusal.invalid("* GenerateContentRequest.contents: contents is not specified")
    for index, one in enumerate(contents):
        content = _object(one, frozenset({"role", "parts"}), f"contents[{index}]")
        # Vertex wants the role spelled out; the Gemini API takes a missing one for the user's.
        if content.get("role", None if vertex else "user") not in ("user", "model"):
            raise Refusal.invalid("Please use a valid role: user, model.")
        parts = _list(content.get("parts"), f"contents[{index}].parts")
        if not parts:
            raise Refusal.invalid(
                f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty."
            )
        kept = []
        for number, written in enumerate(parts):
            part = _object(written, _PART, f"contents[{index}].parts[{number}]")
            kind = [name for name in ("text", "inlineData", "fileData") if name in part]
            if len(kind) != 1:
                raise Refusal.invalid("required oneof field 'data' must have one initialized field")
            if kind == ["text"]:
                texts.append(_text(part["text"]))
                kept.append(part)
            else:
                references += 1
                kept.append({**part, kind[0]: _picture(part[kind[0]], kind[0], vertex=vertex)})
        journalled.append({**content, "parts": kept})
    if len(texts) > 1:
        # Only a text that is the whole prompt is known as such; of others the journal keeps a fingerprint.
        for content in journalled:
            content["parts"] = [
                {**part, "text": part["text"].encode()} if "text" in part else part for part in content["parts"]
            ]
    return texts, references, journalled


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Refusal.invalid("Unable to submit request because it must have a text parameter.")
    return value


def _picture(value: Any, kind: str, *, vertex: bool) -> dict[str, Any]:
    """A picture as the journal keeps it."""
    if kind == "fileData":
        file = _object(value, frozenset({"mimeType", "fileUri", "displayName"}), "file_data")
        uri = file.get("fileUri")
        if not isinstance(uri, str) or not uri.startswith(("https://", "http://", "gs://")):
            raise Refusal.invalid("Invalid or unsupported file uri.")
        if "mimeType" not in file and vertex:
            raise Refusal.invalid("Unable to submit request because it has a missing mimeType parameter.")
        if file.get("mimeType", "image/png") not in _PICTURES:
            raise Refusal.invalid("Unsupported MIME type.")
        return file
    blob = _object(value, frozenset({"mimeType", "data", "displayName"}), "inline_data")
    if blob.get("mimeType") not in _PICTURES:
        raise Refusal.invalid("Unsupported MIME type.")
    data = blob.get("data")
    if not isinstance(data, str):
        raise Refusal.invalid("Invalid value at 'inline_data.data' (TYPE_BYTES).")
    try:
        # Bytes may be spelled for URLs too, as Google's own client does.
        body = pybase64.b64decode(data.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise Refusal.invalid("Invalid value at 'inline_data.data' (TYPE_BYTES), Base64 decoding failed") from None
    if not body:
        raise Refusal.invalid("Unable to process input image.")
    return {**blob, "data": body}


def _safety(value: Any) -> None:
    for index, one in enumerate(_list(value, "safety_settings")):
        setting = _object(one, frozenset({"category", "threshold", "method"}), f"safety_settings[{index}]")
        if setting.get("category") not in _CATEGORIES or setting.get("threshold") not in _THRESHOLDS:
            raise Refusal.invalid(f"Invalid value at 'safety_settings[{index}]'.")


def _output(value: Any) -> tuple[str, int]:
    at = "generation_config.image_config.image_output_options"
    options = _object(value, frozenset({"mimeType", "compressionQuality"}), at)
    kinds = {"image/png": "png", "image/jpeg": "jpeg"}
    media_type, quality = options.get("mimeType", "image/png"), options.get("compressionQuality", 75)
    if media_type not in kinds:
        raise Refusal.invalid(f"Invalid value at '{at}.mime_type'.")
    if not isinstance(quality, int) or not 0 <= quality <= 100:
        raise Refusal.invalid(f"Invalid value at '{at}.compression_quality'.")
    return kinds[media_type], quality
