"""Request bodies sealed to the dispatchers' key: whoever can store or carry one cannot read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pybase64
from nacl.bindings import crypto_box_seal, crypto_box_seal_open, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from common.sealing.epochs import Epoch
from common.sealing.errors import SealBroken, SealExpired, SealKeyGone, SealMismatch
from common.sealing.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Sealed:
    """A libsodium sealed box in base64, and the epoch whose key opens it."""

    epoch: str
    box: str


class Sealer:
    """Seals with public keys alone: the gateway cannot open what it sealed a moment ago."""

    def __init__(self, public_file: Path) -> None:
        self._keys = Keyring(public_file)

    def seal(self, job_id: UUID, account_id: UUID, expires_at: datetime, body: Mapping[str, Any]) -> Sealed:
        """Seal a body for one job of one account until ``expires_at``. Raises SealKeyGone without a key.

        The body is JSON (UUIDs and datetimes become text); bytes go in as base64, files sealed apart.
        """
        epoch = self._current(datetime.now(UTC))
        content = {"job_id": job_id, "account_id": account_id, "expires_at": expires_at, "body": dict(body)}
        box = crypto_box_seal(orjson.dumps(content), epoch.key)
        return Sealed(epoch=epoch.name, box=pybase64.b64encode_as_string(box))

    def _current(self, now: datetime) -> Epoch:
        for epoch in reversed(self._keys.epochs()):
            if epoch.not_before <= now:
                return epoch
        raise SealKeyGone("no sealing key is valid now; run: python -m common.sealing rotate DIRECTORY")


class Opener:
    """Opens what a Sealer sealed, for its own job and account only, before it expires."""

    def __init__(self, private_file: Path) -> None:
        self._keys = Keyring(private_file)
        self._pairs: dict[str, tuple[bytes, bytes]] = {}

    def open(self, job_id: UUID, account_id: UUID, epoch: str, box: str, now: datetime) -> dict[str, Any]:
        """The body as it was sealed. Raises SealKeyGone, SealBroken, SealMismatch or SealExpired."""
        public, private = self._pair(epoch)
        try:
            content = orjson.loads(crypto_box_seal_open(pybase64.b64decode(box, validate=True), public, private))
            expires_at = datetime.fromisoformat(content["expires_at"])
            body = content["body"]
            owner = (content["job_id"], content["account_id"])
        except (CryptoError, ValueError, TypeError, KeyError) as exc:
            # "from None": a parser's message may quote the text it failed on.
            raise SealBroken(f"the sealed body of job {job_id} does not open: {type(exc).__name__}") from None
        if owner != (str(job_id), str(account_id)):
            raise SealMismatch(f"the sealed body that came with job {job_id} belongs to another")
        if expires_at <= now:
            raise SealExpired(f"the sealed body of job {job_id} expired at {expires_at.isoformat()}")
        if not isinstance(body, dict):
            raise SealBroken(f"the sealed body of job {job_id} is not an object")
        return body

    def _pair(self, name: str) -> tuple[bytes, bytes]:
        epochs = self._keys.epochs()
        if not any(e.name == name for e in epochs):
            epochs = self._keys.reread()
        if len(self._pairs) != len(epochs) or any(e.name not in self._pairs for e in epochs):
            # Also forgets destroyed keys: they must not live on in this process.
            self._pairs = {e.name: (crypto_scalarmult_base(e.key), e.key) for e in epochs}
        try:
            return self._pairs[name]
        except KeyError:
            raise SealKeyGone(f"no key of epoch {name[:40]!r} is here; it may have been destroyed") from None
