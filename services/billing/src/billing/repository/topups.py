"""Automatic top-ups: settings, and which are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from common.database import Database, Row

_SET = """
insert into topups as t (account_id, state, threshold_microusd, package, month_cap_cents)
values (%(account_id)s, %(state)s, %(threshold)s, %(package)s, %(cap)s)
on conflict (account_id) do update set state = excluded.state, threshold_microusd = excluded.threshold_microusd,
    package = excluded.package, month_cap_cents = excluded.month_cap_cents, problem = null,
    next_at = clock_timestamp()
"""

# The order is written in the same statement that claims the top-up and counts it towards the month: whoever comes
# second, here or after a crash, finds it claimed and goes on with that very order.
_BEGIN = """
with due as materialized (
    select t.account_id, t.package, t.trying, month_of(clock_timestamp()) as now_month,
        case when t.month = month_of(clock_timestamp()) then t.month_spent_cents else 0 end as spent
    from topups t join accounts a using (account_id)
    where t.state = 'on' and t.next_at <= clock_timestamp() and a.suspended_at is null and a.closing_at is null
        and (t.trying is not null or
            a.subscription_microusd + a.granted_microusd + a.purchased_microusd < t.threshold_microusd)
    order by t.next_at limit %(limit)s for update of t skip locked
),
priced as materialized (
    select d.*, o.id as offer, o.cents, fresh.order_id from due d
    join unnest(%(packages)s::text[], %(cents)s::int[]) with ordinality as o (id, cents, n) on o.id = d.package
    cross join lateral (select gen_random_uuid() as order_id) fresh
),
affordable as materialized (
    select p.* from priced p join topups t using (account_id)
    where p.trying is null and p.spent + p.cents <= t.month_cap_cents
),
ordered as (
    insert into orders (order_id, account_id, kind, offer, amount_cents, currency, credits_microusd, topup)
    select order_id, account_id, 'package', offer, cents, 'usd', cents * 10000::bigint, true from affordable
),
claimed as (
    update topups t set trying = a.order_id, month = a.now_month, month_spent_cents = a.spent + a.cents,
        next_at = clock_timestamp() + make_interval(secs => %(for_s)s)
    from affordable a where t.account_id = a.account_id
    returning t.account_id, t.trying
),
again as (
    update topups t set next_at = clock_timestamp() + make_interval(secs => %(for_s)s)
    from priced p where t.account_id = p.account_id and p.trying is not null
    returning t.account_id, t.trying
),
waiting as (
    update topups t set next_at = clock_timestamp() + interval '10 minutes', problem = 'month_cap_reached'
    from priced p where t.account_id = p.account_id and p.trying is null
        and not exists (select from affordable a where a.account_id = p.account_id)
)
select account_id, trying as order_id from claimed union all select account_id, trying from again
"""

_PAID = """
update topups set trying = null, problem = null, next_at = clock_timestamp()
where account_id = %(account_id)s and trying = %(order_id)s
"""
# What was not paid does not count towards the month it was begun in.
_FAILED = """
update topups t set trying = null, state = 'needs_customer', problem = %(problem)s,
    month_spent_cents = greatest(0, t.month_spent_cents - o.amount_cents)
from orders o where t.account_id = %(account_id)s and t.trying = %(order_id)s and o.order_id = %(order_id)s
"""
_READ = """
select state, threshold_microusd, package, month_cap_cents,
    case when month = month_of(clock_timestamp()) then month_spent_cents else 0 end as month_spent_cents, problem
from topups where account_id = %(account_id)s
"""


@dataclass(frozen=True, slots=True)
class Due:
    """One top-up to be paid now, by this order."""

    account_id: UUID
    order_id: UUID


class TopUps:
    """What customers allow, and what became of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def allow(
        self, account_id: UUID, threshold_microusd: int, package: str, month_cap_cents: int, *, on: bool
    ) -> None:
        """Top up from now on, or no more."""
        await self._database.execute(
            _SET,
            {
                "account_id": account_id,
                "state": "on" if on else "off",
                "threshold": threshold_microusd,
                "package": package,
                "cap": month_cap_cents,
            },
        )

    async def begin(self, packages: dict[str, int], limit: int, for_s: float) -> Sequence[Due]:
        """Claim what is due for ``for_s`` seconds, with an order each; also those that a crash left half-way.

        ``packages`` has the price of each in cents.
        """
        rows = await self._database.fetch(
            _BEGIN,
            {"packages": list(packages), "cents": list(packages.values()), "limit": limit, "for_s": for_s},
        )
        return [Due(**row) for row in rows]

    async def paid(self, account_id: UUID, order_id: UUID) -> None:
        """It is booked; the next one may begin."""
        await self._database.execute(_PAID, {"account_id": account_id, "order_id": order_id})

    async def failed(self, account_id: UUID, order_id: UUID, problem: str) -> None:
        """The card said no, or wants its owner: nothing more is tried until the customer says so."""
        await self._database.execute(_FAILED, {"account_id": account_id, "order_id": order_id, "problem": problem})

    async def read(self, account_id: UUID) -> Row | None:
        """An account's settings and how they fare."""
        rows = await self._database.fetch(_READ, {"account_id": account_id})
        return rows[0] if rows else None
