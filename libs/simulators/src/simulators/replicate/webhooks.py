"""Replicate's webhook signatures: those of Standard Webhooks."""

import base64
import hashlib
import hmac
import secrets
import time


class Signer:
    """Signs bodies with the account's one secret."""

    def __init__(self, key: bytes = hashlib.sha256(b"reapi stand-in webhooks").digest()) -> None:
        self._key = key

    @property
    def secret(self) -> str:
        """The secret as the API tells it."""
        return f"whsec_{base64.b64encode(self._key).decode()}"

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of one try."""
        message, now = f"msg_{secrets.token_urlsafe(18)}", str(int(time.time()))
        signature = hmac.digest(self._key, f"{message}.{now}.".encode() + body, hashlib.sha256)
        return {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": now,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }
