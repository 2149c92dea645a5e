"""Credits that come in for money or as a gift, and go when the money goes back; each move once per operation."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from common.database import Database

Pot = Literal["purchased", "subscription", "granted"]
Event = Literal["purchase", "subscription", "grant", "card_refund", "dispute", "dispute_won"]

# In all of these the unique operation decides: a repeat books nothing, so it moves nothing. The account is locked
# before anything is computed from it.
_ADD = """
with booked as (
    insert into transactions (operation, event, account_id, reason, booked_at)
    values (%(operation)s, %(event)s, %(account_id)s, %(reason)s, clock_timestamp())
    on conflict (operation) do nothing
    returning transaction_id
),
added as (
    insert into accounts as a (account_id, purchased_microusd, subscription_microusd, granted_microusd)
    select %(account_id)s, case when %(pot)s = 'purchased' then %(amount)s::bigint else 0 end,
        case when %(pot)s = 'subscription' then %(amount)s::bigint else 0 end,
        case when %(pot)s = 'granted' then %(amount)s::bigint else 0 end
    from booked
    on conflict (account_id) do update set
        purchased_microusd = a.purchased_microusd + excluded.purchased_microusd,
        subscription_microusd = a.subscription_microusd + excluded.subscription_microusd,
        granted_microusd = a.granted_microusd + excluded.granted_microusd,
        changed_at = excluded.changed_at
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select b.transaction_id, e.account_id, e.purpose::purpose, e.amount
    from booked b cross join (values
        ('00000000-0000-0000-0000-000000000000'::uuid, 'outside', -%(amount)s::bigint),
        (%(account_id)s::uuid, %(pot)s::text, %(amount)s::bigint)
    ) as e (account_id, purpose, amount)
)
select transaction_id from booked
"""

_BOOKED = """booked as (
    insert into transactions (operation, event, account_id, reason, booked_at)
    select %(operation)s, %(event)s, account_id, %(reason)s, clock_timestamp() from wallet
    on conflict (operation) do nothing
    returning transaction_id
)"""

# As far as the pot goes; what was spent already is owed.
_TAKE_BACK = f"""
with wallet as materialized (
    select account_id, case when %(pot)s = 'purchased' then purchased_microusd else subscription_microusd end as has
    from accounts where account_id = %(account_id)s for update
),
{_BOOKED},
split as materialized (
    select b.transaction_id, least(w.has, %(amount)s::bigint) as taken,
        %(amount)s::bigint - least(w.has, %(amount)s::bigint) as owed
    from booked b cross join wallet w
),
moved as (
    update accounts a set
        purchased_microusd = a.purchased_microusd - case when %(pot)s = 'purchased' then s.taken else 0 end,
        subscription_microusd = a.subscription_microusd - case when %(pot)s = 'subscription' then s.taken else 0 end,
        receivable_microusd = a.receivable_microusd - s.owed,
        changed_at = clock_timestamp()
    from split s where a.account_id = %(account_id)s
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select s.transaction_id, e.account_id, e.purpose::purpose, e.amount
    from split s cross join lateral (values
        ('00000000-0000-0000-0000-000000000000'::uuid, 'outside', %(amount)s::bigint),
        (%(account_id)s::uuid, %(pot)s::text, -s.taken),
        (%(account_id)s::uuid, 'receivable', -s.owed)
    ) as e (account_id, purpose, amount)
    where e.amount <> 0
)
select transaction_id from booked
"""  # noqa: S608 - constants

# What is owed is paid first.
_GIVE_BACK = f"""
with wallet as materialized (
    select account_id, -receivable_microusd as owes from accounts where account_id = %(account_id)s for update
),
{_BOOKED},
split as materialized (
    select b.transaction_id, least(w.owes, %(amount)s::bigint) as paid,
        %(amount)s::bigint - least(w.owes, %(amount)s::bigint) as returned
    from booked b cross join wallet w
),
moved as (
    update accounts a set
        purchased_microusd = a.purchased_microusd + case when %(pot)s = 'purchased' then s.returned else 0 end,
        subscription_microusd = a.subscription_microusd
            + case when %(pot)s = 'subscription' then s.returned else 0 end,
        receivable_microusd = a.receivable_microusd + s.paid,
        changed_at = clock_timestamp()
    from split s where a.account_id = %(account_id)s
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select s.transaction_id, e.account_id, e.purpose::purpose, e.amount
    from split s cross join lateral (values
        ('00000000-0000-0000-0000-000000000000'::uuid, 'outside', -%(amount)s::bigint),
        (%(account_id)s::uuid, %(pot)s::text, s.returned),
        (%(account_id)s::uuid, 'receivable', s.paid)
    ) as e (account_id, purpose, amount)
    where e.amount <> 0
)
select transaction_id from booked
"""  # noqa: S608 - constants

# What an operation brought in: the outside's side of it is the whole amount, whatever became of it since.
_BROUGHT = """
select t.account_id, t.event, -e.amount_microusd as amount_microusd
from transactions t join entries e on e.transaction_id = t.transaction_id and e.purpose = 'outside'
where t.operation = %(operation)s
"""

_KNOWN = "select operation from transactions where operation = any(%(operations)s::text[])"

_SUSPEND = """
update accounts set suspended_at = clock_timestamp(), suspended_for = %(reason)s, changed_at = clock_timestamp()
where account_id = %(account_id)s and suspended_at is null
"""
_LIFT = """
update accounts set suspended_at = null, suspended_for = null, changed_at = clock_timestamp()
where account_id = %(account_id)s and suspended_for = %(reason)s
"""


_POTS: dict[str, Pot] = {"purchase": "purchased", "subscription": "subscription", "grant": "granted"}


@dataclass(frozen=True, slots=True)
class Move:
    """Credits that an operation moves between the outside and one pot of an account."""

    operation: str
    event: Event
    account_id: UUID
    pot: Pot
    amount_microusd: int
    reason: str

    def __post_init__(self) -> None:
        assert self.amount_microusd > 0, "nothing to book"


class Moves:
    """Books what payments bring about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, move: Move) -> bool:
        """Credits for money; True when this call booked them."""
        return await self._book(_ADD, move)

    async def take_back(self, move: Move) -> bool:
        """The money went back: out of the pot as far as it goes, the rest is owed."""
        return await self._book(_TAKE_BACK, move)

    async def give_back(self, move: Move) -> bool:
        """The money came back after all: what is owed is paid first."""
        return await self._book(_GIVE_BACK, move)

    async def brought(self, operation: str) -> tuple[UUID, Pot, int] | None:
        """Whom a purchase, an invoice or a grant brought how much, and into which pot; None if it is not booked."""
        rows = await self._database.fetch(_BROUGHT, {"operation": operation})
        if not rows:
            return None
        return rows[0]["account_id"], _POTS[rows[0]["event"]], rows[0]["amount_microusd"]

    async def known(self, operations: list[str]) -> set[str]:
        """Those that are booked."""
        rows = await self._database.fetch(_KNOWN, {"operations": operations})
        return {row["operation"] for row in rows}

    async def suspend(self, account_id: UUID, reason: str) -> None:
        """Hold nothing for this account any more, until it is lifted for the same reason."""
        await self._database.execute(_SUSPEND, {"account_id": account_id, "reason": reason})

    async def lift(self, account_id: UUID, reason: str) -> None:
        """End a suspension that was for this reason."""
        await self._database.execute(_LIFT, {"account_id": account_id, "reason": reason})

    async def _book(self, sql: str, move: Move) -> bool:
        rows = await self._database.fetch(
            sql,
            {
                "operation": move.operation,
                "event": move.event,
                "account_id": move.account_id,
                "pot": move.pot,
                "amount": move.amount_microusd,
                "reason": move.reason,
            },
        )
        return bool(rows)
