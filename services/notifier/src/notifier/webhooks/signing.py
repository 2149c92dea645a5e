"""Standard Webhooks signatures (https://www.standardwebhooks.com, "Signature scheme")."""

import base64
import hashlib
import hmac
from uuid import UUID

from notifier.secrets import PREFIX


def event_id(delivery_id: UUID) -> str:
    """What a receiver knows a delivery by: in the body, and in ``webhook-id`` at every try."""
    return f"evt_{delivery_id.hex}"


def headers(secret: str, webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers a receiver verifies. The id is the same at every attempt, the timestamp the attempt's own."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }
