"""fal's webhook signatures: Ed25519 over request id, user, time and the body's hash; keys as a JWKS."""

import base64
import hashlib
import time
from collections.abc import Iterable, Mapping

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

TOLERANCE_S = 300
USER_ID = "github|stand-in"


def _message(request_id: str, user_id: str, timestamp: str, body: bytes) -> bytes:
    return "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()


class Signer:
    """Signs webhooks; the same secret gives the same key, so a restart keeps old signatures good."""

    def __init__(self, secret: str = "reapi stand-in webhooks") -> None:  # noqa: S107 - a fake's key
        self._key = SigningKey(hashlib.sha256(secret.encode()).digest())

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public key, as served."""
        public = base64.urlsafe_b64encode(bytes(self._key.verify_key)).rstrip(b"=").decode()
        return {
            "keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "stand-in-1", "use": "sig", "alg": "EdDSA", "x": public}]
        }

    def headers(self, request_id: str, body: bytes) -> dict[str, str]:
        """The headers of one try."""
        timestamp = str(int(time.time()))
        signature = self._key.sign(_message(request_id, USER_ID, timestamp, body)).signature
        return {
            "content-type": "application/json",
            "X-Fal-Webhook-Request-Id": request_id,
            "X-Fal-Webhook-User-Id": USER_ID,
            "X-Fal-Webhook-Timestamp": timestamp,
            "X-Fal-Webhook-Signature": signature.hex(),
        }


def verify(headers: Mapping[str, str], body: bytes, public_keys: Iterable[str]) -> bool:
    """Whether a webhook is genuine and fresh: any of the JWKS' `x` values may match. Header names in lower case."""
    try:
        request_id, user_id, timestamp, signature = (
            headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp", "signature")
        )
        if abs(time.time() - int(timestamp)) > TOLERANCE_S:
            return False
        message, signed = _message(request_id, user_id, timestamp, body), bytes.fromhex(signature)
    except (KeyError, ValueError):
        return False
    for public in public_keys:
        try:
            VerifyKey(base64.urlsafe_b64decode(public + "=" * (-len(public) % 4))).verify(message, signed)
        except (BadSignatureError, ValueError):
            continue
        return True
    return False
