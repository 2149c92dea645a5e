"""xAI's videos: one request, one question until it is done.

A route's upstream id is ``way/model`` (``generations/grok-imagine-video``). Inputs are objects with a ``url``. Two
traps: while it works, the answer is 202 and may be empty; and a film that moderation took away is *done* as well,
with ``respect_moderation`` false. There is no way to cancel.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Order, Pending, Produced
from dispatcher.upstreams import classify, media, tasks
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.protocol import Account, BytesSent, CannotAsk

_TICKS_PER_MICROUSD = 10_000
_REFUSAL = re.compile(r"moderation|content.?policy|usage guidelines|safety", re.IGNORECASE)
_EMPTY_ACCOUNT = re.compile(r"credits|spending limit|billing", re.IGNORECASE)


class XaiVideo:
    """Speaks xAI's videos with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Ask for a video."""
        way, _, model = order.upstream_model.partition("/")
        body: dict[str, Any] = {"model": model, **order.texts, **order.fields}
        for one in order.inputs:
            located = {"url": media.source(one)}
            if one.many:
                body.setdefault(one.field, []).append(located)
            else:
                body[one.field] = located
        url = f"{self._account.base_url}/videos/{way}"
        answer = await tasks.place(self._client, url, body, headers=self._headers(), order=order, sent=sent)
        if answer.status not in (200, 201, 202):
            raise _failure(answer)
        request = tasks.name_of(answer.object().get("request_id"), "request_id")
        return Accepted(request, {"id": request})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The request's state; its film, and what it cost, once it is done."""
        url = f"{self._account.base_url}/videos/{quote(reference['id'], safe='')}"
        answer = await tasks.ask(self._client, url, self._headers(), timeout_s)
        if answer.status == 202:
            return Pending(answer.retry_after_s)
        said = answer.object()
        if answer.status != 200 or not said:
            raise tasks.not_now(answer)
        status = said.get("status", "done" if "video" in said else None)
        if status == "pending":
            return Pending(answer.retry_after_s)
        if status in ("failed", "expired"):
            raise UpstreamFailed(_class_of_end(said.get("error")), f"request_{status}")
        if status != "done":
            raise CannotAsk("unknown_status")
        return _film(said)

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:  # noqa: ARG002 - see above
        """Never: xAI has no way to."""
        return False

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._account.api_key}"}


def _film(said: Mapping[str, Any]) -> Produced:
    video = said.get("video")
    if not isinstance(video, dict):
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
    link = media.link(video.get("url"), "video/mp4")
    if video.get("respect_moderation") is False or link is None:
        raise UpstreamFailed(FailureClass.CONTENT_POLICY, "moderated")
    usage = said.get("usage")
    ticks = usage.get("cost_in_usd_ticks") if isinstance(usage, dict) else None
    known = isinstance(ticks, int) and not isinstance(ticks, bool) and ticks >= 0
    return Produced((link,), cost_microusd=int(ticks) // _TICKS_PER_MICROUSD if known and ticks is not None else None)


def _words(body: Mapping[str, Any]) -> str:
    """All that an error says, in either of its two shapes."""
    error = body.get("error")
    parts = [body.get("code"), *(error.values() if isinstance(error, dict) else [error])]
    return " ".join(part for part in parts if isinstance(part, str))


def _class_of_end(error: object) -> FailureClass:
    words = _words({"error": error})
    return FailureClass.CONTENT_POLICY if _REFUSAL.search(words) else FailureClass.FAILED_GENERATION


def _failure(answer: Answer) -> UpstreamFailed:
    words = _words(answer.object())
    if answer.status in (400, 403, 422) and _REFUSAL.search(words):
        return classify.failed(answer, FailureClass.CONTENT_POLICY)
    if answer.status in (403, 429) and _EMPTY_ACCOUNT.search(words):
        return classify.failed(answer, FailureClass.QUOTA)
    return classify.failed(answer)
