"""Accounts from outside the job path: credit, balance, statement."""

from collections.abc import Sequence
from uuid import UUID

from billing.domain.postings import Balance, Credit, OperationTaken
from common.database import Database, Row

# The unique operation decides: a repeat books nothing, so it credits nothing.
_CREDIT = """
with booked as (
    insert into transactions (operation, event, account_id, reason, booked_at)
    values (%(operation)s, 'credit', %(account_id)s, %(reason)s, clock_timestamp())
    on conflict (operation) do nothing
    returning transaction_id, booked_at
),
credited as (
    insert into accounts as a (account_id, purchased_microusd)
    select %(account_id)s, %(amount)s from booked
    on conflict (account_id) do update set
        purchased_microusd = a.purchased_microusd + excluded.purchased_microusd, changed_at = excluded.changed_at
),
posted as (
    insert into entries (transaction_id, account_id, purpose, amount_microusd)
    select b.transaction_id, e.account_id, e.purpose::purpose, e.amount
    from booked b cross join (values
        ('00000000-0000-0000-0000-000000000000'::uuid, 'outside', -%(amount)s::bigint),
        (%(account_id)s::uuid, 'purchased', %(amount)s::bigint)
    ) as e (account_id, purpose, amount)
)
select transaction_id from booked
"""

_BOOKED = """
select t.transaction_id, t.event, t.account_id, e.amount_microusd
from transactions t left join entries e on e.transaction_id = t.transaction_id and e.purpose = 'purchased'
where t.operation = %(operation)s
"""

_BALANCE = """
select account_id, subscription_microusd, granted_microusd, purchased_microusd, held_microusd
from accounts where account_id = %(account_id)s
"""

_STATEMENT = """
with page as (
    select distinct transaction_id from entries
    where account_id = %(account_id)s and transaction_id < %(before)s
    order by transaction_id desc limit %(limit)s
)
select t.transaction_id, t.operation, t.event, t.job_id, t.reason, t.booked_at, e.purpose::text, e.amount_microusd
from page join transactions t using (transaction_id)
join entries e on e.transaction_id = t.transaction_id and e.account_id = %(account_id)s
order by t.transaction_id desc, e.purpose
"""


class Accounts:
    """What customers have, and how it came about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credit(self, credit: Credit) -> tuple[int, bool]:
        """Book it once: the transaction's id, and whether it is new. The account is opened if it is not there.

        Raises:
            OperationTaken: the operation id is that of another posting.
        """
        params = {
            "operation": credit.operation,
            "account_id": credit.account_id,
            "amount": credit.amount_microusd,
            "reason": credit.reason,
        }
        rows = await self._database.fetch(_CREDIT, params)
        if rows:
            return rows[0]["transaction_id"], True
        (booked,) = await self._database.fetch(_BOOKED, {"operation": credit.operation})
        same = (booked["event"], booked["account_id"], booked["amount_microusd"])
        if same != ("credit", credit.account_id, credit.amount_microusd):
            raise OperationTaken(f"operation {credit.operation} stands for another posting already")
        return booked["transaction_id"], False

    async def balance(self, account_id: UUID) -> Balance:
        """What an account has; one that nobody ever credited has nothing."""
        rows = await self._database.fetch(_BALANCE, {"account_id": account_id})
        return Balance(**rows[0]) if rows else Balance(account_id, 0, 0, 0, 0)

    async def statement(self, account_id: UUID, *, before: int, limit: int) -> Sequence[Row]:
        """Entries of the ``limit`` newest transactions below ``before``, newest first."""
        return await self._database.fetch(_STATEMENT, {"account_id": account_id, "before": before, "limit": limit})
