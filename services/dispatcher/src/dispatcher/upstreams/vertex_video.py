"""Veo on Vertex AI: a long-running prediction, asked about by the name of its operation; the film comes inline.

Texts but the prompt are parameters. A film that Google's filters took away is *done* as well, with a count of what
was filtered and no videos. The base URL ends in ``/v1/projects/{project}/locations/{location}``; the key is an access
token or a service account (``google_token``).
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Accepted, Inline, Order, Pending, Produced
from dispatcher.upstreams import google_errors, media, tasks
from dispatcher.upstreams.budget import MIB
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.google_token import GoogleToken
from dispatcher.upstreams.protocol import Account, BytesSent, CannotAsk

_MAX_BYTES = 96 * MIB
_GUIDELINES = re.compile(r"usage guidelines|responsible ai|safety", re.IGNORECASE)
_BY_CODE: Mapping[str, FailureClass] = {
    "3": FailureClass.INVALID_REQUEST,
    "8": FailureClass.UNAVAILABLE,
    "14": FailureClass.UNAVAILABLE,
}
"""By gRPC's code of a failed operation; others are this generation's own trouble."""


class VertexVideo:
    """Speaks Veo's predictions with one project."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account
        self._token = GoogleToken(client, account.api_key)

    async def submit(self, order: Order, sent: BytesSent) -> Accepted:
        """Begin a prediction."""
        parameters: dict[str, Any] = {"sampleCount": 1, **order.fields}
        parameters |= {name: text for name, text in order.texts.items() if name != "prompt"}
        body = {
            "instances": [{"prompt": order.texts["prompt"]}],
            "parameters": parameters,
            "labels": {"job": f"{order.job_id.hex}-{order.attempt_no}"},
        }
        answer = await self._call(
            f"{order.upstream_model}:predictLongRunning",
            body,
            timeout_s=order.timeout_s,
            connect_s=order.connect_s,
            sent=sent,
        )
        if answer.status != 200:
            raise _failure(answer)
        name = tasks.name_of(answer.object().get("name"), "operation")
        return Accepted(name.rpartition("/")[2], {"name": name, "model": order.upstream_model})

    async def poll(self, reference: Mapping[str, str], timeout_s: float) -> Pending | Produced:
        """The operation's state; its film once it is done."""
        try:
            answer = await self._call(
                f"{reference['model']}:fetchPredictOperation",
                {"operationName": reference["name"]},
                timeout_s=timeout_s,
                max_bytes=_MAX_BYTES,
            )
        except UpstreamFailed as error:
            if error.failure.kind is FailureClass.FAILED_GENERATION:
                raise  # an answer that is too large to be a film of ours
            raise CannotAsk(error.failure.code) from None
        operation = answer.object()
        if answer.status != 200 or not operation:
            raise tasks.not_now(answer)
        if operation.get("done") is not True:
            return Pending(answer.retry_after_s)
        failure = operation.get("error")
        if isinstance(failure, dict):
            raise UpstreamFailed(_class_of_end(failure), "operation_failed")
        return _film(operation.get("response"))

    async def cancel(self, reference: Mapping[str, str], timeout_s: float) -> bool:  # noqa: ARG002 - see below
        """Never: what a cancelled operation costs is nowhere said, so it is left to end."""
        return False

    async def _call(
        self,
        what: str,
        body: Mapping[str, Any],
        *,
        timeout_s: float,
        connect_s: float = 0.5,
        sent: BytesSent | None = None,
        max_bytes: int = MIB,
    ) -> Answer:
        bearer = await self._token.bearer(timeout_s)
        answer = await self._client.send(
            "POST",
            f"{self._account.base_url}/publishers/google/models/{what}",
            headers={"authorization": bearer, "content-type": "application/json"},
            body=orjson.dumps(body),
            timeout_s=timeout_s,
            connect_s=connect_s,
            max_bytes=max_bytes,
            sent=sent,
        )
        if answer.status == 401:
            self._token.refused(bearer)
        return answer


def _film(response: object) -> Produced:
    response = response if isinstance(response, dict) else {}
    videos = response.get("videos")
    video = videos[0] if isinstance(videos, list) and videos else None
    if not isinstance(video, dict):
        filtered = response.get("raiMediaFilteredCount")
        if isinstance(filtered, int) and filtered > 0:
            raise UpstreamFailed(FailureClass.CONTENT_POLICY, "filtered")
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
    text = video.pop("bytesBase64Encoded", None)
    body = media.decode(text) if isinstance(text, str) else None
    if not body or not media.is_film(body):
        raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
    return Produced((Inline(body, "video/mp4"),))


def _class_of_end(error: Mapping[str, Any]) -> FailureClass:
    if _GUIDELINES.search(str(error.get("message"))):
        return FailureClass.CONTENT_POLICY
    return _BY_CODE.get(str(error.get("code")), FailureClass.FAILED_GENERATION)


def _failure(answer: Answer) -> UpstreamFailed:
    error = answer.object().get("error")
    if answer.status == 400 and isinstance(error, dict) and _GUIDELINES.search(str(error.get("message"))):
        return UpstreamFailed(FailureClass.CONTENT_POLICY, "http_400")
    return google_errors.failed(answer)
