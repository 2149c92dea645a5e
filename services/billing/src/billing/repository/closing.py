"""Closing an account: first nothing new is held, then, when nothing is open, what was never paid for is forfeited.

Purchased credits stay owed to the customer (P8): they are in the books under the same id until they are paid out.
"""

from dataclasses import dataclass
from uuid import UUID

from common.database import Database

_BEGIN = """
insert into accounts as a (account_id, closing_at) values (%(account_id)s, clock_timestamp())
on conflict (account_id) do update set closing_at = coalesce(a.closing_at, excluded.closing_at),
    changed_at = clock_timestamp()
returning open_holds, purchased_microusd, subscription_microusd, granted_microusd, closed_at is not null as closed
"""

# Under the account's lock nothing is held or settled, so what is open now is all there will be. Entries of nothing
# are none: an account that had nothing to forfeit has no posting.
_FINISH = """
with wallet as materialized (
    select account_id, subscription_microusd as subscription, granted_microusd as granted from accounts
    where account_id = %(account_id)s and closing_at is not null and closed_at is null and open_holds = 0
        and held_microusd = 0
    for update
),
booked as (
    insert into transactions (operation, event, account_id, reason, booked_at)
    select 'close:' || account_id, 'forfeit', account_id, 'account closed', clock_timestamp()
    from wallet where subscription + granted > 0
    on conflict (operation) do nothing
    returning transaction_id
),
closed as (
    update accounts a set subscription_microusd = 0, granted_microusd = 0, closed_at = clock_timestamp(),
        changed_at = clock_timestamp()
    from wallet w where a.account_id = w.account_id
    returning a.account_id
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select b.transaction_id, e.account_id, e.purpose::purpose, e.amount
    from booked b cross join wallet w cross join lateral (values
        (w.account_id, 'subscription', -w.subscription),
        (w.account_id, 'granted', -w.granted),
        ('00000000-0000-0000-0000-000000000000'::uuid, 'breakage', w.subscription + w.granted)
    ) as e (account_id, purpose, amount)
    where e.amount <> 0
)
select account_id from closed
"""

_STANDS = """
select open_holds, purchased_microusd, subscription_microusd, granted_microusd, closed_at is not null as closed
from accounts where account_id = %(account_id)s
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the closing of an account has come, and what it has."""

    open_holds: int
    purchased_microusd: int
    subscription_microusd: int
    granted_microusd: int
    closed: bool


class Closing:
    """The two steps; each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, account_id: UUID) -> Standing:
        """Hold nothing for it any more; jobs that are open finish."""
        (row,) = await self._database.fetch(_BEGIN, {"account_id": account_id})
        return Standing(**row)

    async def finish(self, account_id: UUID) -> Standing | None:
        """Forfeit subscription and granted credits once nothing is open; None: its closing was never begun."""
        await self._database.fetch(_FINISH, {"account_id": account_id})
        rows = await self._database.fetch(_STANDS + " and closing_at is not null", {"account_id": account_id})
        return Standing(**rows[0]) if rows else None
