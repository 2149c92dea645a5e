"""ByteDance Ark's video tasks (``/contents/generations/tasks``): submit, then poll by id.

The prompt and each input become entries of ``content``, inputs with their role (their medium is the role's last
word, a frame being an image); other texts are fields. Videos are only taken by URL, pictures and sounds also as
``data:`` URLs. A task that is still queued can be cancelled, a running one cannot. Ark calls back without a
signature, so what makes a call genuine is the address alone, which nobody can guess.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Input, Link, Order, Pending, Produced
from dispatcher.upstreams import ark_errors, media
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import Account, BytesSent, CannotAsk

_TYPES = {"image": "image/png", "video": "video/mp4", "audio": "audio/mpeg"}
"""What bytes are whose type nobody said."""


class ArkVideo:
    """Speaks Ark's task API with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Create the task."""
        texts = dict(order.texts)
        prompt = texts.pop("prompt", "")
        content: list[dict[str, Any]] = [{"type": "text", "text": prompt}] if prompt else []
        content += [_content(one) for one in order.inputs]
        body: dict[str, Any] = {
            "model": order.upstream_model,
            "content": content,
            "safety_identifier": order.end_user,
            **({"callback_url": order.callback_url} if order.callback_url else {}),
            **order.fields,
            **texts,
        }
        answer = await self._client.send(
            "POST",
            self._url(),
            headers=self._headers(f"{order.job_id.hex}-{order.attempt_no}"),
            body=orjson.dumps(body),
            timeout_s=order.timeout_s,
            connect_s=order.connect_s,
            sent=sent,
        )
        if answer.status not in (200, 201):
            raise ark_errors.failed(answer)
        task = answer.object().get("id")
        if not isinstance(task, str) or not 0 < len(task) <= 200:
            # It said yes, but to what? The task may be running.
            raise UpstreamFailed(FailureClass.AMBIGUOUS, "no_task_id")
        return Accepted(task, {"id": task})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The task's state; its video once it succeeded."""
        try:
            answer = await self._client.send(
                "GET", self._url(reference["id"]), headers=self._headers(), timeout_s=timeout_s
            )
        except UpstreamFailed as error:
            raise CannotAsk(error.failure.code) from None
        task = answer.object()
        if answer.status != 200 or not task:
            raise CannotAsk(f"http_{answer.status}", answer.retry_after_s, reached=answer.status == 429)
        status = task.get("status")
        if status in ("queued", "running"):
            return Pending(answer.retry_after_s)
        if status in ("succeeded", "failed", "cancelled", "expired"):
            return _result(task)
        raise CannotAsk("unknown_status")

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:
        """Delete the task while it is queued."""
        answer = await self._client.send(
            "DELETE", self._url(reference["id"]), headers=self._headers(), timeout_s=timeout_s
        )
        return answer.status in (200, 204)

    async def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:  # noqa: ARG002 - nothing is signed
        """Every call is as genuine as its address; the order is asked about, whatever it says."""
        return True

    def _url(self, task: str | None = None) -> str:
        base = f"{self._account.base_url}/contents/generations/tasks"
        return f"{base}/{quote(task, safe='')}" if task else base

    def _headers(self, request_id: str | None = None) -> dict[str, str]:
        headers = {"authorization": f"Bearer {self._account.api_key}"}
        if request_id:
            headers |= {"content-type": "application/json", "x-client-request-id": request_id}
        return headers


def _content(one: Input) -> dict[str, Any]:
    medium = "video" if "video" in one.field else "audio" if "audio" in one.field else "image"
    url = one.url or media.data_url(one.body or b"", one.media_type or _TYPES[medium])
    return {"type": f"{medium}_url", f"{medium}_url": {"url": url}, "role": one.field}


def _result(task: Mapping[str, Any]) -> Produced:
    content = task.get("content")
    url = content.get("video_url") if isinstance(content, dict) else None
    error = task.get("error")
    if task.get("status") == "succeeded" and isinstance(url, str) and url and not error:
        return Produced((Link(url, "video/mp4"),))
    raise ark_errors.ended(error, f"task_{task.get('status')}")
