"""Signing secrets of accounts, sealed at rest with the service's own key."""

import base64
import secrets
from uuid import UUID

from nacl.secret import SecretBox

from common.database import Database

PREFIX = "whsec_"
SECRET_BYTES = 32


class Secrets:
    """One ``whsec_`` secret per account; per-request callbacks are signed with it."""

    def __init__(self, database: Database, key_hex: str) -> None:
        self._database = database
        self._box = SecretBox(bytes.fromhex(key_hex))

    def open(self, sealed: bytes) -> str:
        """The secret in a row read elsewhere. Raises nacl's CryptoError when it was sealed with another key."""
        return self._box.decrypt(sealed).decode()

    async def of(self, account_id: UUID) -> str:
        """The account's secret; made now if there is none, so that nothing ever leaves unsigned."""
        sealed = await self._read(account_id)
        if sealed is None:
            fresh = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
            await self._database.execute(
                "insert into secrets (account_id, sealed) values (%(account_id)s, %(sealed)s) on conflict do nothing",
                {"account_id": account_id, "sealed": self._box.encrypt(fresh.encode())},
            )
            sealed = await self._read(account_id)  # ours, or that of another process that was quicker
            assert sealed is not None, "secrets are never deleted"
        return self.open(sealed)

    async def _read(self, account_id: UUID) -> bytes | None:
        rows = await self._database.fetch(
            "select sealed from secrets where account_id = %(account_id)s", {"account_id": account_id}
        )
        return bytes(rows[0]["sealed"]) if rows else None
