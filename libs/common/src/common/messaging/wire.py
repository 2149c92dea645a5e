"""How a message looks on the wire: one JSON envelope around its data.

``{id, type, version, occurred_at, producer, job_id, account_id, correlation, traceparent, data}``
"""

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from common.clock import now
from common.contracts import MESSAGES, Message
from common.messaging.failures import CannotWork

_BY_TYPE: dict[str, type[Message]] = {message.TYPE: message for message in MESSAGES}
_LIFTED = {"job_id", "account_id"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A decoded envelope: the message, and what travels beside it."""

    message: Message
    id: str
    producer: str
    correlation: str
    traceparent: str | None


def encode(message: Message, *, producer: str, traceparent: str | None, correlation: str = "") -> bytes:
    """The envelope of a message as JSON bytes."""
    return orjson.dumps(
        {
            "id": message.key,
            "type": message.TYPE,
            "version": message.VERSION,
            "occurred_at": now(),
            "producer": producer,
            "job_id": message.job_id,
            "account_id": message.account_id,
            "correlation": correlation or message.job_id.hex,
            "traceparent": traceparent,
            "data": message.model_dump(exclude=_LIFTED),
        }
    )


def decode(body: bytes) -> Delivery:
    """The message in an envelope.

    Raises:
        CannotWork: not our JSON, an unknown type, a version this process does not know, or data that does not
            fit the type. The error names the fields at fault, never their values.
    """
    try:
        envelope: Any = orjson.loads(body)
        kind = _BY_TYPE[envelope["type"]]
        version = envelope["version"]
        data = envelope["data"]
        data["job_id"] = envelope["job_id"]
        data["account_id"] = envelope["account_id"]
        if version != kind.VERSION:
            raise CannotWork(f"{kind.TYPE} version {version} is not known here")
        return Delivery(
            message=kind.model_validate(data),
            id=envelope["id"],
            producer=envelope["producer"],
            correlation=envelope.get("correlation") or "",
            traceparent=envelope.get("traceparent"),
        )
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False)[:5])
        raise CannotWork(f"{envelope['type']}: these fields do not fit: {fields}") from None
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
        raise CannotWork(f"not an envelope this process knows ({type(error).__name__})") from None
