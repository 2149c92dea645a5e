"""Links to outputs: signed, and dead with the output.

The signature covers the job, the file's name and the moment of expiry; the link is a capability and carries no
account.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

EXTENSIONS: dict[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
}
_FILE = re.compile(r"(\d{1,3})\.[a-z0-9]{1,5}\Z")
_JOB = re.compile(r"[0-9a-f]{32}\Z")


class Verdict(Enum):
    """What a link is worth now."""

    VALID = "valid"
    EXPIRED = "expired"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Target:
    """What a link points to."""

    job_id: UUID
    index: int


class MediaLinks:
    """Makes and judges links under one key."""

    def __init__(self, base_url: str, key: bytes) -> None:
        self._base_url = base_url
        self._key = key

    def link(self, job_id: UUID, index: int, media_type: str, expires_at: datetime) -> str:
        """The public URL of one output, valid until the output itself expires."""
        path = f"{job_id.hex}/{index}.{EXTENSIONS.get(media_type, 'bin')}"
        expires = int(expires_at.timestamp())
        return f"{self._base_url}/media/{path}?e={expires}&s={self._signature(path, expires)}"

    def judge(self, job: str, file: str, expires: str, signature: str, at: datetime) -> Verdict:
        """Forged comes first: an unsigned link learns nothing, not even that something was there."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12) or not signature.isascii():
            return Verdict.FORGED
        if not hmac.compare_digest(signature, self._signature(f"{job}/{file}", int(expires))):
            return Verdict.FORGED
        return Verdict.VALID if at < datetime.fromtimestamp(int(expires), UTC) else Verdict.EXPIRED

    def _signature(self, path: str, expires: int) -> str:
        return hmac.digest(self._key, f"{path}\n{expires}".encode(), hashlib.sha256).hex()


def target(job: str, file: str) -> Target | None:
    """What the two parts of a link's path name; None when they name nothing."""
    match = _FILE.match(file)
    if match is None or _JOB.match(job) is None:
        return None
    return Target(UUID(hex=job), int(match[1]))
