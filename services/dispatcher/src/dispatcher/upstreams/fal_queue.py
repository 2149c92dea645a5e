"""fal's queue: submit to an endpoint, poll the URLs the answer gives, fetch the result.

Two traps. Status, result and cancel live under a shortened path that only the submit's answer knows, so its URLs
are stored and used, provided they are of the provider's own origin. And a failed run is COMPLETED as well: both
the status' ``error`` and the result's HTTP status must be looked at.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Order, Pending, Produced
from dispatcher.upstreams import classify, tasks
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.fal_answers import blanked, class_of_detail, class_of_run, links
from dispatcher.upstreams.fal_webhooks import FalWebhooks
from dispatcher.upstreams.protocol import Account, BytesSent, CannotAsk

_URLS = ("status_url", "response_url", "cancel_url")
_NOT_LET_IN = (401, 403, 408, 429)
"""Statuses of a result that speak of the question, not of the run."""


class FalQueue:
    """Speaks fal's queue with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account
        self._origin = classify.origin_of(account.base_url)
        self._webhooks = FalWebhooks(client, self._origin)

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Put the order into the endpoint's queue."""
        headers = {
            **self._headers(),
            # fal would repeat by itself and hide a failure that another provider could mend at once.
            "x-fal-no-retry": "1",
            "x-fal-store-io": "0",
            "x-fal-request-timeout": str(max(1, int(order.start_within_s))),
        }
        called = f"?fal_webhook={quote(order.callback_url, safe='')}" if order.callback_url else ""
        url = f"{self._account.base_url}/{order.upstream_model}{called}"
        answer = await tasks.place(
            self._client, url, tasks.model_input(order), headers=headers, order=order, sent=sent
        )
        if answer.status not in (200, 201, 202):
            raise _failure(answer)
        taken = answer.object()
        request_id = taken.get("request_id")
        urls = {name: taken.get(name) for name in _URLS}
        if not isinstance(request_id, str) or not all(self._is_ours(url) for url in urls.values()):
            raise UpstreamFailed(FailureClass.AMBIGUOUS, "no_request_urls")
        return Accepted(request_id, {name: str(url) for name, url in urls.items()})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The request's state; its result once completed."""
        status = await self._ask(reference["status_url"], timeout_s)
        if status.status not in (200, 202):
            raise tasks.not_now(status)
        said = status.object()
        if said.get("status") in ("IN_QUEUE", "IN_PROGRESS"):
            return Pending(status.retry_after_s)
        if said.get("status") != "COMPLETED":
            raise CannotAsk("unknown_status")
        if not said.get("error") and not said.get("error_type"):
            return await self._result(reference["response_url"], timeout_s)
        # The status only says that it failed; the result's detail says whether it was a refusal. Without that it
        # must not go to another provider.
        result = await self._ask(reference["response_url"], timeout_s)
        parsed = result.object()
        kind = class_of_detail(parsed.get("detail"), result.status)
        if kind is None and (result.status in _NOT_LET_IN or not parsed):
            raise _not_now(result)
        raise UpstreamFailed(kind or class_of_run(said.get("error_type")), "completed_with_error")

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:
        """Ask for cancellation; True when fal takes the request out of its queue or stops it."""
        answer = await self._client.send("PUT", reference["cancel_url"], headers=self._headers(), timeout_s=timeout_s)
        return answer.status in (200, 202)

    async def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether fal signed it, within five minutes."""
        return await self._webhooks.genuine(headers, body)

    async def _result(self, url: str, timeout_s: float) -> Pending | Produced:
        answer = await self._ask(url, timeout_s)
        parsed = answer.object()
        detail = parsed.get("detail")
        if answer.status == 200:
            outputs = links(parsed)
            if outputs:
                return Produced(outputs)
            refused = FailureClass.CONTENT_POLICY if blanked(parsed) else class_of_detail(detail, answer.status)
            raise UpstreamFailed(refused or FailureClass.FAILED_GENERATION, "no_output")
        if answer.status == 400 and isinstance(detail, str) and "in progress" in detail.lower():
            return Pending(answer.retry_after_s)
        kind = _class_of_result(answer.status, parsed)
        if kind is None:
            raise _not_now(answer)  # it is made and paid for: only the question went wrong
        raise UpstreamFailed(kind, f"result_{answer.status}")

    async def _ask(self, url: str, timeout_s: float) -> Answer:
        return await tasks.ask(self._client, url, self._headers(), timeout_s)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Key {self._account.api_key}"}

    def _is_ours(self, url: object) -> bool:
        # Our key goes to these URLs: an answer must not be able to send it elsewhere.
        return isinstance(url, str) and len(url) <= 2_000 and classify.origin_of(url) == self._origin


def _not_now(result: Answer) -> CannotAsk:
    return CannotAsk(f"http_{result.status}", result.retry_after_s, reached=result.status in _NOT_LET_IN)


def _class_of_result(status: int, parsed: Mapping[str, Any]) -> FailureClass | None:
    """How a run failed that was thought to be well; None when its result says nothing about that."""
    detail, error_type = parsed.get("detail"), parsed.get("error_type")
    kind = class_of_detail(detail, status)
    if kind is FailureClass.CONTENT_POLICY:
        return kind
    if status in _NOT_LET_IN or not detail:
        return None
    if status >= 500 and kind is None and not error_type:
        return None
    return kind or class_of_run(error_type)


def _failure(answer: Answer) -> UpstreamFailed:
    detail = answer.object().get("detail")
    if (
        answer.status == 403
        and isinstance(detail, str)
        and ("balance" in detail.lower() or "locked" in detail.lower())
    ):
        return classify.failed(answer, FailureClass.QUOTA)
    kind = class_of_detail(detail, answer.status)
    if kind is FailureClass.FAILED_GENERATION:
        kind = FailureClass.UNAVAILABLE  # nothing was accepted yet
    return classify.failed(answer, kind if answer.status in (400, 422) or answer.status >= 500 else None)
