"""Replicate's predictions: create one of an official model, ask until it ended, mirror the links within the hour.

Texts, parameters and inputs all go into ``input`` under the model's own names. Whether a run failed for policy or for
want of machines is only said in the text of ``error``, by codes in brackets or by a few words.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Link, Order, Pending, Produced
from dispatcher.upstreams import classify, media, tasks
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.protocol import Account, BytesSent, CannotAsk

_GOING_ON = ("starting", "processing")
_LEAST_CANCEL_AFTER_S = 5
_TOLERANCE_S = 300
_SECRET_S = 5.0

_CODES: Mapping[str, FailureClass] = {
    "E003": FailureClass.UNAVAILABLE,
    "E004": FailureClass.UNAVAILABLE,
    "E005": FailureClass.CONTENT_POLICY,
    "E006": FailureClass.INVALID_REQUEST,
}
_REFUSALS = re.compile(
    r"\bnsfw\b|flagged as sensitive|content (?:moderation|policy)|safety (?:filter|system)", re.IGNORECASE
)


class Replicate:
    """Speaks Replicate's predictions with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account
        self._secret: bytes | None = None

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Create a prediction; it cancels itself when nobody wants it any more."""
        body: dict[str, Any] = {"input": tasks.model_input(order)}
        if order.callback_url:
            body |= {"webhook": order.callback_url, "webhook_events_filter": ["completed"]}
        cancel_after_s = max(_LEAST_CANCEL_AFTER_S, int(order.start_within_s))
        url = f"{self._account.base_url}/models/{order.upstream_model}/predictions"
        headers = {**self._headers(), "cancel-after": f"{cancel_after_s}s"}
        answer = await tasks.place(self._client, url, body, headers=headers, order=order, sent=sent)
        if answer.status not in (200, 201, 202):
            raise classify.failed(answer)
        name = tasks.name_of(answer.object().get("id"), "prediction_id")
        return Accepted(name, {"id": name})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The prediction's state; its links once it succeeded."""
        answer = await self._ask(f"/predictions/{quote(reference['id'], safe='')}", timeout_s)
        prediction = answer.object()
        status = prediction.get("status")
        if answer.status != 200 or not isinstance(status, str):
            raise tasks.not_now(answer)
        if status in _GOING_ON:
            return Pending(answer.retry_after_s)
        if status != "succeeded":
            # Of ends nobody has heard of we know that much: there is no result.
            raise UpstreamFailed(_class_of(prediction.get("error")), "prediction_failed")
        outputs = _links(prediction.get("output"))
        if not outputs:
            code = "data_removed" if prediction.get("data_removed") is True else "no_output"
            raise UpstreamFailed(FailureClass.FAILED_GENERATION, code)
        return Produced(outputs)

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:
        """Stop it; True when it reads as canceled."""
        url = f"{self._account.base_url}/predictions/{quote(reference['id'], safe='')}/cancel"
        answer = await self._client.send("POST", url, headers=self._headers(), timeout_s=timeout_s)
        return answer.status in (200, 202) and answer.object().get("status") in ("canceled", "aborted")

    async def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether Replicate signed it (Standard Webhooks), within five minutes."""
        try:
            message, timestamp, given = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
            if abs(time.time() - int(timestamp)) > _TOLERANCE_S:
                return False
        except (KeyError, ValueError):
            return False
        secret = await self._webhook_secret()
        if secret is None:
            return False
        signed = f"{message}.{timestamp}.".encode() + body
        wanted = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        return any(hmac.compare_digest(one.removeprefix("v1,"), wanted) for one in given.split())

    async def _webhook_secret(self) -> bytes | None:
        """The account's secret, asked for once; None while it cannot be had."""
        if self._secret is None:
            try:
                answer = await self._ask("/webhooks/default/secret", _SECRET_S)
                self._secret = base64.b64decode(
                    str(answer.object().get("key", "")).removeprefix("whsec_"), validate=True
                )
            except (CannotAsk, binascii.Error):
                return None
        return self._secret or None

    async def _ask(self, path: str, timeout_s: float) -> Answer:
        return await tasks.ask(self._client, f"{self._account.base_url}{path}", self._headers(), timeout_s)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._account.api_key}"}


def _class_of(error: object) -> FailureClass:
    """The class of a failed run's text."""
    text = error if isinstance(error, str) else ""
    for code, kind in _CODES.items():
        if f"({code})" in text:
            return kind
    return FailureClass.CONTENT_POLICY if _REFUSALS.search(text) else FailureClass.FAILED_GENERATION


def _links(output: object) -> tuple[Link, ...]:
    """One URL, or a list of them."""
    found = [media.link(one) for one in (output if isinstance(output, list) else [output])]
    return tuple(link for link in found if link is not None)
