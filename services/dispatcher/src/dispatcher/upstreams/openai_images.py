"""OpenAI's images API (``POST /images/generations``): synchronous, results inline as base64.

The account's pseudonym becomes ``safety_identifier`` unless the customer sent one. ``revised_prompt`` in answers
is dropped: it quotes the request. There is no cancel and nothing to poll.
"""

from typing import Any, NoReturn

import orjson

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Inline, Order, Produced
from dispatcher.upstreams import classify, media
from dispatcher.upstreams.client import MIB, Answer, Client
from dispatcher.upstreams.protocol import Account, BytesSent

_BYTES_PER_OUTPUT = 24 * MIB
_MAX_BYTES = 96 * MIB
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


class OpenAIImages:
    """Speaks OpenAI's images API with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Produced:  # noqa: ARG002 - it answers with the result
        """Ask for the pictures and wait for them; that takes minutes, so silence means nothing."""
        body: dict[str, Any] = {
            "model": order.upstream_model,
            "safety_identifier": order.end_user,
            **order.fields,
            **order.texts,
        }
        answer = await self._client.send(
            "POST",
            f"{self._account.base_url}/images/generations",
            headers={
                "authorization": f"Bearer {self._account.api_key}",
                "content-type": "application/json",
                "x-client-request-id": f"{order.job_id.hex}-{order.attempt_no}",
            },
            body=orjson.dumps(body),
            timeout_s=order.timeout_s,
            connect_s=order.connect_s,
            max_bytes=min(MIB + order.outputs * _BYTES_PER_OUTPUT, _MAX_BYTES),
        )
        if answer.status != 200:
            _refuse(answer)
        return _produced(answer, order.outputs)


def _produced(answer: Answer, wanted: int) -> Produced:
    parsed = answer.object()
    if parsed.get("error"):
        _refuse(answer)  # a refusal dressed as success
    items = parsed.get("data")
    outputs: list[Inline] = []
    for item in items[:wanted] if isinstance(items, list) else ():
        text = item.get("b64_json") if isinstance(item, dict) else None
        body = media.decode(text) if isinstance(text, str) else None
        media_type = media.image_type(body) if body else None
        if body and media_type:
            outputs.append(Inline(body, media_type))
    if not outputs:
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
    return Produced(tuple(outputs))


def _refuse(answer: Answer) -> NoReturn:
    error = answer.object().get("error")
    error = error if isinstance(error, dict) else {}
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
    raise classify.failed(answer, kind)
