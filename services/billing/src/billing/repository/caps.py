"""How much may be spent a calendar month (UTC), by an account and by each of its keys."""

from collections.abc import Sequence
from uuid import UUID

from common.database import Database, Row

_SET_ACCOUNT = """
insert into accounts as a (account_id, month_cap_microusd) values (%(account_id)s, %(cap)s)
on conflict (account_id) do update set month_cap_microusd = excluded.month_cap_microusd
"""
# What the key has spent this month is counted from its reservations, under the account's lock: nothing is held or
# settled meanwhile.
_SET_KEY = """
with wallet as materialized (
    select account_id from accounts where account_id = %(account_id)s for update
)
insert into key_caps as k (account_id, api_key_id, month_cap_microusd, month_spent_microusd)
select w.account_id, %(api_key_id)s, %(cap)s, coalesce((
    select sum(amount_microusd - refunded_microusd) from reservations
    where account_id = %(account_id)s and api_key_id = %(api_key_id)s and state <> 'refused'
        and month_of(decided_at) = month_of(clock_timestamp())
), 0)
from wallet w
on conflict (account_id, api_key_id) do update set month_cap_microusd = excluded.month_cap_microusd
"""
_CLEAR_KEY = "delete from key_caps where account_id = %(account_id)s and api_key_id = %(api_key_id)s"
_READ = """
select null::uuid as api_key_id, month_cap_microusd,
    case when month = month_of(clock_timestamp()) then month_spent_microusd else 0 end as month_spent_microusd
from accounts where account_id = %(account_id)s
union all
select api_key_id, month_cap_microusd,
    case when month = month_of(clock_timestamp()) then month_spent_microusd else 0 end
from key_caps where account_id = %(account_id)s
"""


class Caps:
    """Sets and shows them; holds enforce them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def limit(self, account_id: UUID, api_key_id: UUID | None, microusd: int | None) -> None:
        """Let an account, or one of its keys, spend so much a month; None: as much as there is."""
        named = {"account_id": account_id, "api_key_id": api_key_id, "cap": microusd}
        if api_key_id is None:
            await self._database.execute(_SET_ACCOUNT, named)
        elif microusd is None:
            await self._database.execute(_CLEAR_KEY, named)
        else:
            # The account's row must be there to be locked.
            await self._database.execute(
                "insert into accounts (account_id) values (%(account_id)s) on conflict do nothing", named
            )
            await self._database.survey(f"{_SET_KEY} returning api_key_id", named, limit_s=60)

    async def read(self, account_id: UUID) -> Sequence[Row]:
        """The account's limit and what it spent this month, then each limited key's."""
        return await self._database.fetch(_READ, {"account_id": account_id})
