"""What protocols that take tasks have in common: placing an order, the name it gets, asking about it, its end."""

from collections.abc import Mapping
from typing import Any

import orjson

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Order
from dispatcher.upstreams import media
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.protocol import BytesSent, CannotAsk

_LONGEST_NAME = 500


async def place(
    client: Client, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], order: Order, sent: BytesSent
) -> Answer:
    """Send an order as JSON, once, within its time. Raises UpstreamFailed when there is no answer."""
    return await client.send(
        "POST",
        url,
        headers={**headers, "content-type": "application/json"},
        body=orjson.dumps(body),
        timeout_s=order.timeout_s,
        connect_s=order.connect_s,
        sent=sent,
    )


def name_of(value: object, what: str) -> str:
    """The name that an order was given. It said yes, but to what? Without a name it may run, and nobody can ask."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise UpstreamFailed(FailureClass.AMBIGUOUS, f"no_{what}")
    return value


async def ask(client: Client, url: str, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Ask about an order. Raises CannotAsk when there is no answer: that says nothing about the order."""
    try:
        return await client.send("GET", url, headers=headers, timeout_s=timeout_s)
    except UpstreamFailed as error:
        raise CannotAsk(error.failure.code) from None


def not_now(answer: Answer) -> CannotAsk:
    """An answer that tells nothing about the order; being told to wait is a sign that the provider is there."""
    return CannotAsk(f"http_{answer.status}", answer.retry_after_s, reached=answer.status == 429)


def ended(kind: FailureClass | None, code: str) -> UpstreamFailed:
    """The failure of what was taken and came to nothing: refused, or just failed.

    What else a late error speaks of (a key, a quota, a rate) is no reason to leave the whole provider alone: it took
    the order.
    """
    return UpstreamFailed(kind if kind is not None and kind.final else FailureClass.FAILED_GENERATION, code)


def model_input(order: Order) -> dict[str, Any]:
    """Parameters, texts and inputs side by side under the model's own names, as hosts of many models want them."""
    given: dict[str, Any] = {**order.fields, **order.texts}
    for one in order.inputs:
        if one.many:
            given.setdefault(one.field, []).append(media.source(one))
        else:
            given[one.field] = media.source(one)
    return given
