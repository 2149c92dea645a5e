"""The addresses that providers call about orders: nobody else can make one, so none can be guessed."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Addresses:
    """Makes and reads the addresses that providers call. All replicas have the same ``secret``."""

    public_url: str
    secret: bytes

    def of(self, provider: str, job_id: UUID, attempt_no: int) -> str:
        """Where this order's provider may call."""
        named = job_id.bytes + bytes([attempt_no])
        token = base64.urlsafe_b64encode(named + self._mac(provider, named)).rstrip(b"=").decode()
        return f"{self.public_url.rstrip('/')}/callbacks/{provider}/{token}"

    def read(self, provider: str, token: str) -> tuple[UUID, int] | None:
        """The job and the attempt of an address of ours; None for any other."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return None
        named, mac = raw[:17], raw[17:]
        if len(raw) != 17 + _MAC_BYTES or not hmac.compare_digest(mac, self._mac(provider, named)):
            return None
        return UUID(bytes=named[:16]), named[16]

    def _mac(self, provider: str, named: bytes) -> bytes:
        return hashlib.blake2b(
            provider.encode() + b"/" + named, key=self.secret, digest_size=_MAC_BYTES, person=b"reapi callback"
        ).digest()
