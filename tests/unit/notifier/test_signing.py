"""Signatures are those of the specification."""

import base64

from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from common.clock import now
from common.ids import new_id
from notifier.webhooks.signing import event_id, headers


def test_the_vector_of_the_reference_implementation() -> None:
    signed = headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=24, max_size=64), st.text(max_size=200))
def test_whatever_is_signed_verifies(key: bytes, text: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    moment = now()
    signed = headers(secret, event_id(new_id()), int(moment.timestamp()), text.encode())
    reference = Webhook(secret).sign(signed["webhook-id"], moment, text)
    assert signed["webhook-signature"] == reference
