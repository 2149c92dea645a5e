"""OpenAI's images API (``/images/generations`` and ``/images/edits``): synchronous, pictures as base64 or by URL.

Pictures that come with the order make it an edit: a form with files, for JSON has no place for bytes. The account's
pseudonym becomes ``safety_identifier`` unless the customer sent one. ``revised_prompt`` in answers is dropped: it
quotes the request. There is no cancel and nothing to poll. Azure speaks the same with other signs.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from urllib3 import encode_multipart_formdata

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Inline, Input, Link, Order, Produced
from dispatcher.upstreams import classify, media
from dispatcher.upstreams.budget import MIB
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.protocol import Account, BytesSent

_BYTES_PER_OUTPUT = 24 * MIB
_MAX_BYTES = 96 * MIB
_AZURE_VERSION = "2025-04-01-preview"
_REFUSALS = (
    "moderation",
    "content_policy",
    "contentpolicy",
    "content_filter",
    "contentfilter",
    "responsibleai",
    "safety",
)
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_USD_PER_MILLION_TOKENS: Mapping[str, tuple[float, float, float, float]] = {
    "gpt-image-2": (5, 8, 30, 10),
    "gpt-image-1.5": (5, 8, 32, 10),
}
"""Text in, pictures in, pictures out, text out: OpenAI's list, and Azure's."""


class OpenAIImages:
    """Speaks OpenAI's images API with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Produced:  # noqa: ARG002 - it answers with the result
        """Ask for the pictures and wait for them; that takes minutes, so silence means nothing."""
        fields = {**self._signs(order), **order.fields, **order.texts}
        if order.inputs:
            body, content_type = encode_multipart_formdata(_parts(fields, order.inputs))
        else:
            body, content_type = orjson.dumps(fields), "application/json"
        answer = await self._client.send(
            "POST",
            self._url(order, "edits" if order.inputs else "generations"),
            headers={
                **self._key(),
                "content-type": content_type,
                "x-client-request-id": f"{order.job_id.hex}-{order.attempt_no}",
            },
            body=body,
            timeout_s=order.timeout_s,
            connect_s=order.connect_s,
            max_bytes=min(MIB + order.outputs * _BYTES_PER_OUTPUT, _MAX_BYTES),
        )
        parsed = answer.object()
        if answer.status != 200 or parsed.get("error"):  # there are refusals dressed as success
            raise _failure(answer, parsed.get("error"))
        del answer  # tens of MiB; what is parsed are as many
        return _produced(parsed, order.outputs, _cost_microusd(parsed.get("usage"), order.upstream_model))

    def _url(self, _: Order, what: str) -> str:
        return f"{self._account.base_url}/images/{what}"

    def _key(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._account.api_key}"}

    def _signs(self, order: Order) -> dict[str, Any]:
        """What names the model and the end user."""
        return {"model": order.upstream_model, "safety_identifier": order.end_user}


class AzureImages(OpenAIImages):
    """The same with the deployments of one resource in Azure, each named like the model that it runs.

    The base URL is the resource's, with or without ``/openai/deployments`` and one of them behind it.
    """

    def _url(self, order: Order, what: str) -> str:
        resource = self._account.base_url.partition("/openai/deployments")[0]
        deployment = quote(order.upstream_model, safe="")
        return f"{resource}/openai/deployments/{deployment}/images/{what}?api-version={_AZURE_VERSION}"

    def _key(self) -> dict[str, str]:
        return {"api-key": self._account.api_key}

    def _signs(self, order: Order) -> dict[str, Any]:
        return {"user": order.end_user}


def _parts(fields: Mapping[str, Any], inputs: tuple[Input, ...]) -> list[tuple[str, Any]]:
    """Texts first, then files, as the API's own client sends them."""
    parts: list[tuple[str, Any]] = [
        (name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in fields.items()
    ]
    for number, one in enumerate(inputs):
        if one.body is None:
            # The model's file says that its addresses are fetched beforehand; a job of an older one may have some.
            raise UpstreamFailed(FailureClass.INVALID_REQUEST, "input_by_url")
        name = f"{one.field}[]" if one.many else one.field
        media_type = one.media_type or "image/png"
        parts.append((name, (f"{number}.{media.EXTENSIONS.get(media_type, 'png')}", one.body, media_type)))
    return parts


def _produced(parsed: dict[str, Any], wanted: int, cost_microusd: int | None) -> Produced:
    items = parsed.get("data")
    media_type = media.TYPES.get(str(parsed.get("output_format")))
    found = [_output(item, media_type) for item in (items[:wanted] if isinstance(items, list) else ())]
    outputs = tuple(one for one in found if one is not None)
    if not outputs:
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
    return Produced(outputs, cost_microusd)


def _cost_microusd(usage: object, model: str) -> int | None:
    """What the tokens cost at list price; the provider says how many they were, not what it charges."""
    prices = _USD_PER_MILLION_TOKENS.get(model)
    if prices is None or not isinstance(usage, dict):
        return None
    per_text, per_picture_in, per_picture, per_text_out = prices
    seen, made = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    # Without details all of it counts as the dearer kind.
    text_in = min(seen, _count(usage.get("input_tokens_details"), "text_tokens"))
    text_out = min(made, _count(usage.get("output_tokens_details"), "text_tokens"))
    cost = text_in * per_text + (seen - text_in) * per_picture_in
    return round(cost + (made - text_out) * per_picture + text_out * per_text_out) or None


def _count(of: object, name: str) -> int:
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, int) and 0 <= value < 10_000_000 else 0


def _output(item: object, media_type: str | None) -> Inline | Link | None:
    """One picture; its text is taken out of the item, so that text and bytes of all do not pile up."""
    if not isinstance(item, dict):
        return None
    text = item.pop("b64_json", None)
    body = media.decode(text) if isinstance(text, str) else None
    found_type = media.image_type(body) if body else None
    return Inline(body, found_type) if body and found_type else media.link(item.get("url"), media_type)


def _failure(answer: Answer, error: object) -> UpstreamFailed:
    error = error if isinstance(error, Mapping) else {}
    inner = error.get("innererror")
    codes = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
    said = " ".join(code.lower() for code in codes if isinstance(code, str))
    status = answer.status if answer.status != 200 else 400
    kind = classify.by_status(status)
    if status < 500 and any(word in said for word in _REFUSALS):
        kind = FailureClass.CONTENT_POLICY
    elif any(word in said for word in _QUOTA):
        kind = FailureClass.QUOTA
    elif answer.status == 200 and "server_error" in said:
        kind = FailureClass.FAILED_GENERATION
    return classify.failed(answer, kind)
