"""Google's image models (``models/{model}:generateContent``) at the Gemini API and Vertex AI: synchronous, inline.

The prompt and each input become parts of one turn: bytes as ``inlineData``, addresses as ``fileData``. All fields go
into ``generationConfig.imageConfig``; a dot in a name leads into an object. One call gives one picture.

A refusal has status 200: no candidates and a ``blockReason``, or a candidate whose ``finishReason`` says so. Parts
flagged ``thought`` are drafts. There is no cancel and nothing to poll.
"""

import mimetypes
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pybase64

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Inline, Input, Order, Produced
from dispatcher.upstreams import google_errors, media
from dispatcher.upstreams.budget import MIB
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.google_token import GoogleToken
from dispatcher.upstreams.protocol import Account, BytesSent

_MAX_BYTES = 48 * MIB
"""A picture of 4K in base64, and drafts."""
_REFUSALS = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION",
        "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    }
)  # fmt: skip
_UNFINISHED = frozenset({"STOP", "NO_IMAGE", "IMAGE_OTHER", "OTHER", "MAX_TOKENS", "MALFORMED_RESPONSE", "LANGUAGE"})
_USD_PER_MILLION_TOKENS: Mapping[str, tuple[float, float, float]] = {
    # In; out as pictures; out as text and thoughts (the last as resellers list it).
    "gemini-3-pro-image": (2, 120, 12),
    "gemini-3.1-flash-image": (0.5, 60, 3),
    "gemini-2.5-flash-image": (0.3, 30, 2.5),
}


class GeminiContent:
    """Speaks ``generateContent`` with one account of the Gemini API; the base URL ends in the version."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Produced:  # noqa: ARG002 - it answers with the result
        """Ask for the picture and wait for it."""
        signed = await self._signature(order)
        answer = await self._client.send(
            "POST",
            f"{self._models_url()}/{quote(order.upstream_model, safe='')}:generateContent",
            headers={**signed, "content-type": "application/json"},
            body=orjson.dumps(_body(order)),
            timeout_s=order.timeout_s,
            connect_s=order.connect_s,
            max_bytes=_MAX_BYTES,
        )
        if answer.status != 200:
            self._refused(answer.status, signed)
            raise google_errors.failed(answer)
        parsed = answer.object()
        del answer  # tens of MiB; what is parsed are as many
        return Produced(_pictures(parsed, order.outputs), _cost_microusd(parsed, order.upstream_model))

    def _models_url(self) -> str:
        return f"{self._account.base_url}/models"

    async def _signature(self, order: Order) -> dict[str, str]:  # noqa: ARG002 - tokens take time, keys do not
        return {"x-goog-api-key": self._account.api_key}

    def _refused(self, status: int, signed: Mapping[str, str]) -> None:
        """The call was refused: a subclass may have to forget what it signed with."""


class VertexContent(GeminiContent):
    """The same with a project of Vertex AI; the base URL ends in ``/v1/projects/{project}/locations/{location}``."""

    def __init__(self, client: Client, account: Account) -> None:
        super().__init__(client, account)
        self._token = GoogleToken(client, account.api_key)

    def _models_url(self) -> str:
        return f"{self._account.base_url}/publishers/google/models"

    async def _signature(self, order: Order) -> dict[str, str]:
        return {"authorization": await self._token.bearer(order.timeout_s)}

    def _refused(self, status: int, signed: Mapping[str, str]) -> None:
        if status == 401:
            self._token.refused(signed["authorization"])


def _body(order: Order) -> dict[str, Any]:
    parts = [{"text": order.texts["prompt"]}, *(_part(one) for one in order.inputs)]
    config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"], "candidateCount": 1}
    if order.fields:
        config["imageConfig"] = _nested(order.fields)
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


def _part(one: Input) -> dict[str, Any]:
    if one.url is None:
        data = pybase64.b64encode_as_string(one.body or b"")
        return {"inlineData": {"mimeType": one.media_type or "image/png", "data": data}}
    # Vertex wants the type of an address, which nobody has looked at: its ending is the best guess.
    guessed = one.media_type or mimetypes.guess_type(urlsplit(one.url).path)[0] or ""
    media_type = guessed if guessed.startswith("image/") else "image/jpeg"
    return {"fileData": {"mimeType": media_type, "fileUri": one.url}}


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in fields.items():
        *path, last = name.split(".")
        here = nested
        for step in path:
            here = here.setdefault(step, {})
        here[last] = value
    return nested


def _pictures(parsed: dict[str, Any], wanted: int) -> tuple[Inline, ...]:
    """The finished pictures; raises UpstreamFailed when it was refused or there are none."""
    feedback = parsed.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        raise UpstreamFailed(FailureClass.CONTENT_POLICY, "prompt_blocked")
    candidates = parsed.get("candidates")
    candidate = candidates[0] if isinstance(candidates, list) and candidates else None
    if not isinstance(candidate, dict):
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
    reason = candidate.get("finishReason")
    if reason in _REFUSALS:
        raise UpstreamFailed(FailureClass.CONTENT_POLICY, f"finish_{reason.lower()}")
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    found = (_picture(part) for part in (parts if isinstance(parts, list) else ()))
    pictures = tuple(one for one in found if one is not None)[:wanted]
    if not pictures:
        code = f"finish_{reason.lower()}" if reason in _UNFINISHED else "no_output"
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, code)
    return pictures


def _picture(part: object) -> Inline | None:
    """One picture; its text is taken out of the part, so that text and bytes do not pile up."""
    if not isinstance(part, dict) or part.get("thought"):
        return None
    blob = part.get("inlineData")
    text = blob.pop("data", None) if isinstance(blob, dict) else None
    body = media.decode(text) if isinstance(text, str) else None
    found_type = media.image_type(body) if body else None
    return Inline(body, found_type) if body and found_type else None


def _cost_microusd(parsed: Mapping[str, Any], model: str) -> int | None:
    """What the tokens cost at list price; Google says how many they were, not what it charges."""
    prices, usage = _USD_PER_MILLION_TOKENS.get(model), parsed.get("usageMetadata")
    if prices is None or not isinstance(usage, dict):
        return None
    per_input, per_picture, per_text = prices
    out = _count(usage.get("candidatesTokenCount"))
    details = usage.get("candidatesTokensDetails")
    listed = [one for one in (details if isinstance(details, list) else ()) if isinstance(one, dict)]
    pictures = sum(_count(one.get("tokenCount")) for one in listed if one.get("modality") == "IMAGE")
    # Without details all of it counts as a picture, the dearer of the two.
    pictures = min(pictures, out) if listed else out
    text = out - pictures + _count(usage.get("thoughtsTokenCount"))
    cost = _count(usage.get("promptTokenCount")) * per_input + pictures * per_picture + text * per_text
    return round(cost) or None


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 10_000_000 else 0
