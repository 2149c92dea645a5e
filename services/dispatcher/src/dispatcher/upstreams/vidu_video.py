"""Vidu's video tasks: one path per way of making a video, one question for the state and what was made.

A route's upstream id is ``way/model``. Pictures go into ``images`` in the order of their roles: alone on
``img2video``, first and last on ``start-end2video``, several on ``reference2video``. The scheme of the key is
``Token``.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Order, Pending, Produced
from dispatcher.upstreams import classify, media, tasks
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.protocol import Account, BytesSent

_GOING_ON = ("created", "queueing", "processing")
_REFUSAL = re.compile(r"policy|illegal|audit", re.IGNORECASE)
_REASONS: Mapping[str, FailureClass] = {
    "CreditInsufficient": FailureClass.QUOTA,
    "QuotaExceeded": FailureClass.RATE_LIMITED,
    "SystemThrottling": FailureClass.RATE_LIMITED,
    "FieldInvalid": FailureClass.INVALID_REQUEST,
    # The model is our configuration, not the customer's wish.
    "ModelNotSupported": FailureClass.AUTH,
}


class ViduVideo:
    """Speaks Vidu's tasks with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Create a task."""
        way, _, model = order.upstream_model.partition("/")
        body: dict[str, Any] = {"model": model, **order.texts, **order.fields}
        # Echoed wherever the task is shown: support of theirs and ours speak of the same job.
        body["payload"] = f"{order.job_id.hex}-{order.attempt_no}"
        if order.inputs:
            body["images"] = [media.source(one) for one in order.inputs]
        if order.callback_url:
            body["callback_url"] = order.callback_url
        url = f"{self._account.base_url}/{way}"
        answer = await tasks.place(self._client, url, body, headers=self._headers(), order=order, sent=sent)
        if answer.status not in (200, 201, 202):
            raise _failure(answer)
        task = tasks.name_of(answer.object().get("task_id"), "task_id")
        return Accepted(task, {"id": task})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The task's state; its film once it succeeded."""
        answer = await tasks.ask(self._client, self._url(reference, "creations"), self._headers(), timeout_s)
        task = answer.object()
        state = task.get("state")
        if answer.status != 200 or not isinstance(state, str):
            raise tasks.not_now(answer)
        if state in _GOING_ON:
            return Pending(answer.retry_after_s)
        if state != "success":
            raise tasks.ended(_class_of(task.get("err_code")), "task_failed")
        creations = task.get("creations")
        found = [one for one in creations if isinstance(one, dict)] if isinstance(creations, list) else []
        links = [link for one in found if (link := media.link(one.get("url"), "video/mp4")) is not None]
        if not links:
            raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
        return Produced(tuple(links[:1]))

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:
        """Take it out of the queue: what is being made cannot be stopped."""
        answer = await self._client.send(
            "POST",
            self._url(reference, "cancel"),
            headers={**self._headers(), "content-type": "application/json"},
            body=orjson.dumps({"id": reference["id"]}),
            timeout_s=timeout_s,
        )
        return answer.status == 200

    async def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:  # noqa: ARG002 - nothing is signed
        """Always: who knows the address is believed to be the provider, and what it says is not believed at all."""
        return True

    def _url(self, reference: Mapping[str, str], what: str) -> str:
        return f"{self._account.base_url}/tasks/{quote(reference['id'], safe='')}/{what}"

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Token {self._account.api_key}"}


def _class_of(reason: object) -> FailureClass | None:
    """The class of a ``reason`` or an ``err_code``, which share their names; None for one that says nothing."""
    if not isinstance(reason, str):
        return None
    return FailureClass.CONTENT_POLICY if _REFUSAL.search(reason) else _REASONS.get(reason)


def _failure(answer: Answer) -> UpstreamFailed:
    return classify.failed(answer, _class_of(answer.object().get("reason")))
