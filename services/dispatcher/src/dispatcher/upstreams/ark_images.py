"""ByteDance Ark's pictures (``POST /images/generations``): synchronous, results by URL that live for a day.

Parameters and the prompt are fields, references the list ``image``. Ark has no number of outputs: of a sequence it
draws as many as it sees fit, so each call asks for exactly one picture. An answer of 200 may hold an error in the
place of a picture. There is no cancel and nothing to poll, and no field for whose request it is.
"""

from typing import Any

import orjson

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Link, Order, Produced
from dispatcher.upstreams import ark_errors, media
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import Account, BytesSent


class ArkImages:
    """Speaks Ark's images endpoint with one account."""

    def __init__(self, client: Client, account: Account) -> None:
        self._client = client
        self._account = account

    async def submit(self, order: Order, sent: BytesSent) -> Produced:  # noqa: ARG002 - it answers with the result
        """Ask for one picture and wait for it."""
        body: dict[str, Any] = {
            "model": order.upstream_model,
            "response_format": "url",
            "sequential_image_generation": "disabled",
            **order.fields,
            **order.texts,
        }
        for one in order.inputs:
            body.setdefault(one.field, []).append(media.source(one))
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
        )
        if answer.status != 200:
            raise ark_errors.failed(answer)
        return Produced(_pictures(answer.object(), body.get("output_format")))


def _pictures(parsed: dict[str, Any], output_format: object) -> tuple[Link, ...]:
    """The picture; raises UpstreamFailed when there is an error in its place, or nothing."""
    data = parsed.get("data")
    items = [item for item in (data if isinstance(data, list) else ()) if isinstance(item, dict)]
    media_type = media.TYPES.get(str(output_format))
    for item in items:
        if found := media.link(item.get("url"), media_type):
            return (found,)
    if error := next((one["error"] for one in (*items, parsed) if one.get("error")), None):
        raise ark_errors.ended(error, "picture_failed")
    raise UpstreamFailed(FailureClass.FAILED_GENERATION, "no_output")
