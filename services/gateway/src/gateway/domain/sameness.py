"""When two requests are the same: a keyed hash over what was parsed, never over how it was sent.

Multipart boundaries, white space and the order of keys do not count; every value and the digest of every file do.
The hash is keyed, so that a stored one tells nothing about a prompt, not even to somebody who guesses it.
"""

import hashlib
import hmac
import json
from typing import Any


class Sameness:
    """Hashes of one deployment's requests."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_request(self, operation: str, fields: dict[str, Any], file_digests: dict[str, str]) -> bytes:
        """Equal for two requests exactly when they ask for the same thing of the same operation."""
        canonical = json.dumps(
            [operation, fields, file_digests], sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        # Lone surrogates cannot come from UTF-8 bodies, but nothing here may fail on a string.
        return hmac.digest(self._key, canonical.encode("utf-8", "surrogatepass"), hashlib.sha256)

    def of_key(self, idempotency_key: str) -> bytes:
        """An idempotency key as it is stored: customers put all sorts of things into theirs."""
        return hmac.digest(self._key, b"idempotency:" + idempotency_key.encode(), hashlib.sha256)
