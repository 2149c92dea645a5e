"""All SQL about accounts, keys and rate buckets."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common.coalescer import Coalescer
from common.database import Database
from common.records import as_records
from gateway.domain.api_keys import NewKey

_CREATE_ACCOUNT = """
insert into accounts (account_id, email, rate_per_minute, inflight)
values (%(account)s, %(email)s, %(rate_per_minute)s, %(inflight)s)
on conflict (account_id) do update set rate_per_minute = excluded.rate_per_minute, inflight = excluded.inflight
"""

_CREATE_KEY = """
insert into api_keys (api_key_id, account_id, digest, prefix, last_four)
values (%(key)s, %(account)s, %(digest)s, %(prefix)s, %(last_four)s)
"""

_BY_DIGEST = """
select k.digest, k.api_key_id, k.livemode, a.account_id, a.state, a.rate_per_minute, a.inflight,
    a.created_at as opened_at
from api_keys k join accounts a using (account_id)
where k.digest = any(%(digests)s::bytea[]) and k.revoked_at is null
"""

# Refill and take in one statement: the row's lock orders replicas, ids in order keep them from deadlocking.
_TAKE = """
insert into rate_buckets as b (account_id, tokens, granted, refilled_at)
select r.account_id, r.rate - least(r.rate, r.wanted), least(r.rate, r.wanted), clock_timestamp()
from json_to_recordset(%(rows)s::json) as r(account_id uuid, rate integer, wanted integer)
order by r.account_id
on conflict (account_id) do update set
    (tokens, granted, refilled_at) = (
        select filled.level - taken.n, taken.n, clock_timestamp()
        from json_to_recordset(%(rows)s::json) as r(account_id uuid, rate integer, wanted integer),
            lateral (select least(r.rate::double precision, b.tokens
                + greatest(0, extract(epoch from clock_timestamp() - b.refilled_at)) * r.rate / 60) as level
            ) as filled,
            lateral (select least(floor(filled.level)::integer, r.wanted) as n) as taken
        where r.account_id = b.account_id)
returning account_id, tokens, granted
"""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that is not revoked, with its account."""

    api_key_id: UUID
    livemode: bool
    account_id: UUID
    state: str
    rate_per_minute: int | None
    inflight: int | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one request got: whether it may go on, and how many tokens were left."""

    granted: bool
    tokens: float


class AccountRows:
    """Accounts and keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.by_digest: Coalescer[bytes, KeyRow | None] = Coalescer("keys.by_digest", self._by_digest_many)
        self.take: Coalescer[tuple[UUID, int], Bucket] = Coalescer("rate.take", self._take_many)
        """One token from the bucket of an account with so many a minute."""

    async def create(
        self,
        *,
        account_id: UUID,
        email: str,
        rate_per_minute: int | None,
        inflight: int | None,
        api_key_id: UUID,
        key: NewKey,
        digest: bytes,
    ) -> None:
        """An account with these limits (they are set anew if it exists), and one more key for it."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                _CREATE_ACCOUNT,
                {
                    "account": account_id,
                    "email": email.lower(),
                    "rate_per_minute": rate_per_minute,
                    "inflight": inflight,
                },
            )
            await transaction.execute(
                _CREATE_KEY,
                {
                    "key": api_key_id,
                    "account": account_id,
                    "digest": digest,
                    "prefix": key.prefix,
                    "last_four": key.last_four,
                },
            )

    async def put_into(self, account_id: UUID, state: str) -> bool:
        """Let an account spend, or not; a closed one stays closed. False: there is none that could become so."""
        return bool(
            await self._database.execute(
                "update accounts set state = %(state)s where account_id = %(account)s and state <> 'closed'"
                " and (state <> 'closing' or %(state)s = 'closed')",
                {"account": account_id, "state": state},
            )
        )

    async def email(self, account_id: UUID) -> str:
        """An account's address."""
        rows = await self._database.fetch(
            "select email from accounts where account_id = %(account)s", {"account": account_id}
        )
        email: str = rows[0]["email"]
        return email

    async def _by_digest_many(self, digests: list[bytes]) -> list[KeyRow | None]:
        found: dict[bytes, KeyRow] = {}
        for row in await self._database.fetch(_BY_DIGEST, {"digests": digests}):
            fields = dict(row)
            digest = bytes(fields.pop("digest"))
            found[digest] = KeyRow(**fields)
        return [found.get(digest) for digest in digests]

    async def _take_many(self, items: list[tuple[UUID, int]]) -> list[Bucket]:
        wanted: dict[UUID, dict[str, object]] = {}
        for account_id, rate in items:
            one = wanted.setdefault(account_id, {"account_id": account_id, "rate": rate, "wanted": 0})
            one["wanted"] = int(str(one["wanted"])) + 1
        rows = await self._database.fetch(_TAKE, {"rows": as_records(list(wanted.values()))})
        left = {row["account_id"]: [row["granted"], row["tokens"]] for row in rows}
        buckets = []
        for account_id, _ in items:
            granted, tokens = left[account_id]
            left[account_id][0] -= 1
            # Tokens after the batch, plus those that the rest of the batch has not taken yet.
            buckets.append(Bucket(granted > 0, tokens + max(0, granted - 1)))
        return buckets
