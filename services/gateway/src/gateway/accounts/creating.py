"""Making an account, and changing its state, by command."""

import os
from uuid import UUID

import orjson

from common.database import Database
from common.ids import new_id
from gateway.accounts.repository import AccountRows
from gateway.domain.api_keys import digest, make_key


async def create_account(account_id: UUID, email: str, *, rate_per_minute: int | None, inflight: int | None) -> str:
    """An account with these limits and a new key, as a line of JSON; needs two settings of the gateway's only."""
    database = Database(_setting("GATEWAY_DATABASE_URL"), pool_size=1)
    await database.start()
    try:
        key = make_key()
        await AccountRows(database).create(
            account_id=account_id,
            email=email,
            rate_per_minute=rate_per_minute,
            inflight=inflight,
            api_key_id=new_id(),
            key=key,
            digest=digest(key.secret, bytes.fromhex(_setting("GATEWAY_KEY_PEPPER"))),
        )
    finally:
        await database.stop()
    return orjson.dumps({"account_id": str(account_id), "api_key": key.secret}).decode()


async def put_account_into(account_id: UUID, state: str) -> bool:
    """Change an account's state; False when there is no such account, or it is past that."""
    database = Database(_setting("GATEWAY_DATABASE_URL"), pool_size=1)
    await database.start()
    try:
        return await AccountRows(database).put_into(account_id, state)
    finally:
        await database.stop()


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name} is not set")
    return value
