"""Alibaba Model Studio's (DashScope's) video synthesis: always asynchronous, asked for by task.

The prompt and the media go into ``input``, everything else into ``parameters``; a medium's type is the route's name
for its role. Failures come at HTTP 200 as well, and a task of another region, or one older than a day, is UNKNOWN.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Order, Pending, Produced
from dispatcher.upstreams import classify, media, tasks
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.protocol import Account, BytesSent, CannotAsk

_SUBMIT = "services/aigc/video-generation/video-synthesis"
_GOING_ON = ("PENDING", "RUNNING", "SUSPENDED")
_OVER = ("FAILED", "CANCELED", "UNKNOWN")
_CODES: Mapping[str, FailureClass] = {
    "DataInspectionFailed": FailureClass.CONTENT_POLICY,
    "Arrearage": FailureClass.QUOTA,
    "PrepaidBillOverdue": FailureClass.QUOTA,
    "AllocationQuota.FreeTierOnly": FailureClass.QUOTA,
    "Throttling.AllocationQuota": FailureClass.QUOTA,
    "Throttling": FailureClass.RATE_LIMITED,
    "InvalidApiKey": FailureClass.AUTH,
    "AccessDenied": FailureClass.AUTH,
    "Model.AccessDenied": FailureClass.AUTH,
    "ModelNotFound": FailureClass.AUTH,
    "InvalidParameter": FailureClass.INVALID_REQUEST,
    "InvalidURL": FailureClass.INVALID_REQUEST,
    "InvalidImageResolution": FailureClass.INVALID_REQUEST,
    "InvalidFile": FailureClass.INVALID_REQUEST,
    "InternalError": FailureClass.UNAVAILABLE,
    "SystemError": FailureClass.UNAVAILABLE,
    "ServiceUnavailable": FailureClass.UNAVAILABLE,
}
"""By the longest known beginning of the code, up to a dot."""
_HAPPY_HORSE = "happyhorse-1.0-"
_MICROUSD_PER_SECOND: Mapping[int, int] = {720: 140_000, 1080: 240_000}
"""Happy Horse 1.0's list price in Singapore, by ``SR``, the tier that the usage names; Beijing is a tenth cheaper."""
_LONGEST_BILLED_S = 120
"""Far above what a task can be billed for: a usage that says more is not believed."""


class DashScopeVideo:
    """Speaks Model Studio's tasks with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Begin a task."""
        given: dict[str, Any] = dict(order.texts)
        if order.inputs:
            given["media"] = [{"type": one.field, "url": media.source(one)} for one in order.inputs]
        url = f"{self._account.base_url}/{_SUBMIT}"
        headers = {**self._headers(), "x-dashscope-async": "enable"}
        body = {"model": order.upstream_model, "input": given, "parameters": dict(order.fields)}
        answer = await tasks.place(self._client, url, body, headers=headers, order=order, sent=sent)
        if answer.status not in (200, 201, 202):
            raise _failure(answer)
        task = tasks.name_of(_output(answer).get("task_id"), "task_id")
        return Accepted(task, {"id": task, "model": order.upstream_model})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The task's state; its film, and what its seconds cost, once it succeeded."""
        answer = await tasks.ask(self._client, self._url(reference), self._headers(), timeout_s)
        output = _output(answer)
        status = output.get("task_status")
        if answer.status != 200 or not isinstance(status, str):
            raise tasks.not_now(answer)
        if status in _GOING_ON:
            return Pending(answer.retry_after_s)
        if status in _OVER:
            raise tasks.ended(_class_of(output), f"task_{status.lower()}")
        if status != "SUCCEEDED":
            raise CannotAsk("unknown_status")
        link = media.link(output.get("video_url"), "video/mp4")
        if link is None:
            raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
        return Produced((link,), _cost_microusd(answer.object().get("usage"), reference.get("model", "")))

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:
        """Take it back while it is PENDING."""
        answer = await self._client.send(
            "POST", f"{self._url(reference)}/cancel", headers=self._headers(), timeout_s=timeout_s
        )
        return answer.status == 200

    def _url(self, reference: Mapping[str, str]) -> str:
        return f"{self._account.base_url}/tasks/{quote(reference['id'], safe='')}"

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._account.api_key}"}


def _output(answer: Answer) -> Mapping[str, Any]:
    output = answer.object().get("output")
    return output if isinstance(output, dict) else {}


def _cost_microusd(usage: object, model: str) -> int | None:
    """What the billed seconds (a source's among them) cost at list price.

    Alibaba says how many they were, not what it charges.
    """
    if not isinstance(usage, dict) or not model.startswith(_HAPPY_HORSE):
        return None
    seconds, tier = usage.get("duration"), usage.get("SR")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_BILLED_S:
        return None
    rate = _MICROUSD_PER_SECOND.get(tier) if isinstance(tier, int) else None
    return None if rate is None else round(seconds * rate)


def _class_of(said: Mapping[str, Any]) -> FailureClass | None:
    """The class of a flat error; None for one that is not known."""
    code, message = said.get("code"), said.get("message")
    if isinstance(message, str) and "green net" in message.lower():
        return FailureClass.CONTENT_POLICY
    parts = code.split(".") if isinstance(code, str) else []
    for length in range(len(parts), 0, -1):
        if (kind := _CODES.get(".".join(parts[:length]))) is not None:
            return kind
    return None


def _failure(answer: Answer) -> UpstreamFailed:
    return classify.failed(answer, _class_of(answer.object()))
