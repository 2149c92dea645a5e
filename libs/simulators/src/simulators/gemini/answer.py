"""What `generateContent` answers."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pybase64

from simulators import pictures
from simulators.gemini.request import Wanted
from simulators.links import seed_of

_SAFE = [
    {"category": f"HARM_CATEGORY_{word}", "probability": "NEGLIGIBLE"}
    for word in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
]
_THOUGHT_TOKENS = 120
_TEXT = "Here is the picture you asked for."


def blocked(wanted: Wanted, why: str) -> dict[str, Any]:
    """A refusal dressed as success: no candidates at all."""
    return _answer(wanted, {"promptFeedback": {"blockReason": why, "safetyRatings": _SAFE}}, text=0, image=0)


def ended(wanted: Wanted, why: str, *, says: str = "") -> dict[str, Any]:
    """A candidate without a picture."""
    candidate: dict[str, Any] = {"finishReason": why, "index": 0}
    if says:
        candidate["content"] = {"role": "model", "parts": [{"text": says}]}
    elif why != "STOP":
        candidate |= {"content": {}, "finishMessage": "Unable to show the generated image."}
    return _answer(wanted, {"candidates": [candidate]}, text=len(says) // 4, image=0)


async def drawn(wanted: Wanted, *, drafts: bool, instead: bytes | None = None, cut: bool = False) -> dict[str, Any]:
    """A candidate with its picture, drafts before it; `instead` takes the picture's place."""
    data = pybase64.b64encode(instead) if instead is not None else await _base64(wanted, "final")
    if cut:
        data = data[: len(data) // 8 * 4]
    parts: list[dict[str, Any]] = []
    if drafts:
        parts = [
            {"text": "I sketch it first.", "thought": True},
            {
                "inlineData": {"mimeType": "image/png", "data": (await _base64(wanted, "draft")).decode()},
                "thought": True,
            },
        ]
    final: dict[str, Any] = {"inlineData": {"mimeType": f"image/{wanted.output_format}", "data": data.decode()}}
    if wanted.model.thinks:
        final["thoughtSignature"] = pybase64.b64encode_as_string(seed_of(wanted.prompt, "signature"))
    parts += [{"text": _TEXT}, final]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    image = wanted.model.tokens_of(wanted.size)
    return _answer(wanted, {"candidates": [candidate]}, text=len(_TEXT) // 4, image=image)


def _answer(wanted: Wanted, outcome: dict[str, Any], *, text: int, image: int) -> dict[str, Any]:
    """Text tokens are not among the candidates' details, which name what is not text."""
    prompt_text, references = len(wanted.prompt) // 4 + 1, wanted.references * wanted.model.reference_tokens
    prompt = prompt_text + references
    thoughts = _THOUGHT_TOKENS if wanted.model.thinks and image else 0
    details = [{"modality": "TEXT", "tokenCount": prompt_text}]
    if references:
        details.append({"modality": "IMAGE", "tokenCount": references})
    usage: dict[str, Any] = {
        "promptTokenCount": prompt,
        "totalTokenCount": prompt + text + image + thoughts,
        "promptTokensDetails": details,
    }
    if text + image:
        usage["candidatesTokenCount"] = text + image
    if image:
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": image}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return {
        **outcome,
        "usageMetadata": usage,
        "modelVersion": wanted.name,
        "createTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "responseId": uuid.uuid4().hex[:22],
    }


async def _base64(wanted: Wanted, stage: str) -> bytes:
    width, height = wanted.model.frame(wanted.ratio, wanted.size)
    # Colours and pattern follow the prompt; the rest of the seed makes each picture's bytes its own.
    seed = seed_of(wanted.prompt, stage)[:2] + seed_of(wanted.prompt, stage, uuid.uuid4().hex)[2:]
    if stage == "draft":
        return pictures.png_base64(seed, 256, 256)
    if wanted.output_format == "png":
        return await asyncio.to_thread(pictures.png_base64, seed, width, height)
    return pybase64.b64encode(
        await asyncio.to_thread(
            pictures.encoded, seed, width, height, wanted.output_format, max(1, wanted.compression)
        )
    )
