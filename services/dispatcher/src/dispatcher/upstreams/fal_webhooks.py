"""Whether a call is fal's: Ed25519 over request id, user, time and body hash, with the keys that fal publishes."""

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Mapping

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from dispatcher.domain.failures import UpstreamFailed
from dispatcher.upstreams.client import Client

_QUEUE, _KEYS = "https://queue.fal.run", "https://rest.fal.ai/.well-known/jwks.json"
_TOLERANCE_S = 300
_KEPT_S = 24 * 3_600.0
_AGAIN_S = 60.0
"""Keys that do not fit are asked for anew no more often than this: forged calls must not make us knock at fal."""
_PATIENCE_S = 5.0


class FalWebhooks:
    """Checks calls against the published keys, which are kept for a day, or until a call does not fit them."""

    def __init__(self, client: Client, origin: str) -> None:
        self._client = client
        self._url = _KEYS if origin == _QUEUE else f"{origin}/.well-known/jwks.json"
        self._keys: tuple[VerifyKey, ...] = ()
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()

    async def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether fal signed it within the last five minutes; no, while fal's keys cannot be had."""
        try:
            request_id, user_id, timestamp, given = (
                headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp", "signature")
            )
            if abs(time.time() - int(timestamp)) > _TOLERANCE_S:
                return False
            signature = bytes.fromhex(given)
        except (KeyError, ValueError):
            return False
        message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
        await self._renew(_KEPT_S)
        if self._fits(message, signature):
            return True
        await self._renew(_AGAIN_S)
        return self._fits(message, signature)

    def _fits(self, message: bytes, signature: bytes) -> bool:
        for key in self._keys:
            try:
                key.verify(message, signature)
            except (BadSignatureError, ValueError):
                continue
            return True
        return False

    async def _renew(self, older_than_s: float) -> None:
        """Ask for the keys, unless that was done lately; those we have stay when fal does not answer."""
        async with self._asking:
            if self._asked_at is not None and time.monotonic() - self._asked_at < (
                older_than_s if self._keys else _AGAIN_S
            ):
                return
            self._asked_at = time.monotonic()
            try:
                answer = await self._client.send("GET", self._url, headers={}, timeout_s=_PATIENCE_S)
            except UpstreamFailed:
                return
            listed = answer.object().get("keys")
            found = [_key(one) for one in listed[:20]] if answer.status == 200 and isinstance(listed, list) else []
            self._keys = tuple(key for key in found if key is not None) or self._keys


def _key(listed: object) -> VerifyKey | None:
    """One key of a JWKS (RFC 8037); None for one of another kind."""
    given = listed.get("x") if isinstance(listed, dict) and listed.get("crv", "Ed25519") == "Ed25519" else None
    try:
        return (
            VerifyKey(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))) if isinstance(given, str) else None
        )
    except (binascii.Error, ValueError):
        return None
