"""The envelope: what is sent is read back; what is foreign is refused without quoting it."""

import orjson
import pytest

from common.clock import now
from common.contracts import JobCancel, JobSubmitted
from common.ids import new_id
from common.messaging.failures import CannotWork
from common.messaging.wire import decode, encode


def a_cancel() -> JobCancel:
    return JobCancel(job_id=new_id(), account_id=new_id(), reason="cancelled", replica="r", synchronous=False)


def test_a_message_survives_the_wire() -> None:
    sent = a_cancel()
    delivery = decode(encode(sent, producer="gateway", traceparent=None))
    assert delivery.message == sent
    assert delivery.id == sent.key
    assert delivery.producer == "gateway"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'"text"', b'{"type": "nothing.known"}', b"\xff\xfe", b"[" * 100_000],
)
def test_bytes_that_are_no_envelope_are_refused(body: bytes) -> None:
    with pytest.raises(CannotWork):
        decode(body)


def test_a_version_from_the_future_is_refused() -> None:
    envelope = orjson.loads(encode(a_cancel(), producer="gateway", traceparent=None))
    envelope["version"] = 99
    with pytest.raises(CannotWork, match="version 99"):
        decode(orjson.dumps(envelope))


def test_a_field_that_does_not_fit_is_named_and_its_value_is_not() -> None:
    body = encode(
        JobSubmitted(
            job_id=new_id(), account_id=new_id(), model="m", kind="image", mode="text", sku="s", quantity=1,
            outputs=1, parameters={}, epoch="e", sealed="x", deadline_ms=1, submitted_at=now(), accept_by=now(),
            synchronous=True, replica="r",
        ),
        producer="gateway",
        traceparent=None,
    )  # fmt: skip
    envelope = orjson.loads(body)
    envelope["data"]["quantity"] = "a secret"
    with pytest.raises(CannotWork) as refused:
        decode(orjson.dumps(envelope))
    assert "quantity" in str(refused.value)
    assert "a secret" not in str(refused.value)
