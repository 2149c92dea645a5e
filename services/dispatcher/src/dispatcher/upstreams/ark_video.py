"""ByteDance Ark's video tasks (``/contents/generations/tasks``): submit, then poll by id.

The prompt and each input become entries of ``content``, inputs with their role (their medium is the role's last
word, a frame being an image); other texts are fields. Videos are only taken by URL, pictures and sounds also as
``data:`` URLs. A task that is still queued can be cancelled, a running one cannot. Ark calls back without a
signature, so what makes a call genuine is the address alone, which nobody can guess.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dispatcher.domain.jobs import Accepted, Input, Link, Order, Pending, Produced
from dispatcher.upstreams import ark_errors, media, tasks
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
        headers = {**self._headers(), "x-client-request-id": f"{order.job_id.hex}-{order.attempt_no}"}
        answer = await tasks.place(self._client, self._url(), body, headers=headers, order=order, sent=sent)
        if answer.status not in (200, 201):
            raise ark_errors.failed(answer)
        task = tasks.name_of(answer.object().get("id"), "task_id")
        return Accepted(task, {"id": task})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The task's state; its video once it succeeded."""
        answer = await tasks.ask(self._client, self._url(reference["id"]), self._headers(), timeout_s)
        task = answer.object()
        if answer.status != 200 or not task:
            raise tasks.not_now(answer)
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

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._account.api_key}"}


def _content(one: Input) -> dict[str, Any]:
    medium = "video" if "video" in one.field else "audio" if "audio" in one.field else "image"
    return {"type": f"{medium}_url", f"{medium}_url": {"url": media.source(one, _TYPES[medium])}, "role": one.field}


def _result(task: Mapping[str, Any]) -> Produced:
    content = task.get("content")
    url = content.get("video_url") if isinstance(content, dict) else None
    error = task.get("error")
    if task.get("status") == "succeeded" and isinstance(url, str) and url and not error:
        return Produced((Link(url, "video/mp4"),))
    raise ark_errors.ended(error, f"task_{task.get('status')}")
