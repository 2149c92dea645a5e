"""Announced changes of prices, the notices about them, and who still pays the old price."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from billing.domain.pricing import BadChange, PriceChange, check
from common.database import Database, Row

# One change at a time: what it is compared with must still hold when it is written.
_ALONE = "select pg_advisory_xact_lock(hashtext('billing.price_changes')), clock_timestamp() as now"

_KNOWN = "select change_id, reason, announced_at, effective_at from price_changes where change_id = %(change_id)s"

# The price by date, whoever pays it: the yardstick for whether a new one is an increase.
_BY_DATE = """
select distinct on (sku) sku, unit_price_microusd from prices
where sku = any(%(skus)s::text[]) and effective_at <= %(at)s
order by sku, effective_at desc, version desc
"""

_TAKEN = "select sku from prices where sku = any(%(skus)s::text[]) and effective_at = %(at)s"

_ANNOUNCE = """
insert into price_changes (change_id, reason, announced_at, effective_at)
values (%(change_id)s, %(reason)s, %(now)s, %(at)s)
"""
_ADD = """
insert into prices (sku, unit_price_microusd, effective_at, change_id)
select s.sku, s.unit_price_microusd, %(at)s, %(change_id)s
from unnest(%(skus)s::text[], %(prices)s::bigint[]) as s (sku, unit_price_microusd) order by s.sku
"""

_LIST = """
select c.change_id, c.reason, c.announced_at, c.effective_at,
    json_object_agg(p.sku, p.unit_price_microusd order by p.sku) as unit_prices_microusd
from price_changes c join prices p using (change_id)
where c.announced_at >= %(since)s
group by c.change_id order by c.announced_at, c.change_id
"""

# Nobody is told before there is something to tell, so an earlier time is a wrong clock.
_RECORD = """
insert into price_notices (change_id, account_id, event, happened_at)
select c.change_id, g.account_id, g.event, greatest(g.happened_at, c.announced_at)
from price_changes c cross join unnest(
    %(accounts)s::uuid[], %(events)s::text[], %(times)s::timestamptz[]
) as g (account_id, event, happened_at)
where c.change_id = %(change_id)s
order by g.account_id
on conflict do nothing
"""

_ON_OLD_PRICE = """
select a.account_id, n.accepted_at, n.bounced_at, b.binds_at,
    case when b.binds_at > c.effective_at then 'notice_accepted_late'
         when b.binds_at is not null then 'date_not_come'
         when n.bounced_at is not null then 'notice_bounced'
         else 'no_notice_accepted' end as reason
from price_changes c join accounts a on a.opened_at < c.announced_at
cross join lateral (select notice_binds_at(c.change_id, a.account_id, c.effective_at) as binds_at) b
left join lateral (
    select max(happened_at) filter (where event = 'accepted') as accepted_at,
        max(happened_at) filter (where event = 'bounced') as bounced_at
    from price_notices where change_id = c.change_id and account_id = a.account_id
) n on true
where c.change_id = %(change_id)s and a.account_id > %(after)s
    and (b.binds_at is null or b.binds_at > clock_timestamp())
order by a.account_id limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a mail server said about one account's notice: it took it, or it came back."""

    account_id: UUID
    event: Literal["accepted", "bounced"]
    happened_at: datetime


class PriceChanges:
    """Schedules changes and keeps what became of their notices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def schedule(self, change: PriceChange) -> Row:
        """Announce a change: its row, with when it was announced and takes effect. Repeating it changes nothing.

        Raises:
            BadChange: as :func:`billing.domain.pricing.check` says, or another price begins at that very moment.
        """
        skus = list(change.unit_prices_microusd)
        async with self._database.transaction() as transaction:
            (alone,) = await transaction.fetch(_ALONE)
            known = await transaction.fetch(_KNOWN, {"change_id": change.change_id})
            if known:
                return known[0]
            now: datetime = alone["now"]
            rows = await transaction.fetch(_BY_DATE, {"skus": skus, "at": change.starts_at(now)})
            at = check(change, {row["sku"]: row["unit_price_microusd"] for row in rows}, now)
            taken = await transaction.fetch(_TAKEN, {"skus": skus, "at": at})
            if taken:
                raise BadChange(f"{taken[0]['sku']}: another price begins at {at.isoformat()}; choose another moment")
            named = {"change_id": change.change_id, "at": at}
            await transaction.execute(_ANNOUNCE, {**named, "reason": change.reason, "now": now})
            await transaction.execute(
                _ADD, {**named, "skus": skus, "prices": list(change.unit_prices_microusd.values())}
            )
            (row,) = await transaction.fetch(_KNOWN, {"change_id": change.change_id})
            return row

    async def announced(self, since: datetime) -> Sequence[Row]:
        """Changes announced since then, oldest first, with their new prices."""
        return await self._database.fetch(_LIST, {"since": since})

    async def record(self, change_id: UUID, notices: Sequence[Notice]) -> bool:
        """Note what mail servers said; repeats and any order come to the same. False: there is no such change."""
        if not await self._database.fetch(_KNOWN, {"change_id": change_id}):
            return False
        await self._database.execute(
            _RECORD,
            {
                "change_id": change_id,
                "accounts": [one.account_id for one in notices],
                "events": [one.event for one in notices],
                "times": [one.happened_at for one in notices],
            },
        )
        return True

    async def on_old_price(self, change_id: UUID, *, after: UUID, limit: int) -> Sequence[Row]:
        """Accounts that do not pay a change's prices yet, and why; a page in the order of their ids."""
        return await self._database.fetch(_ON_OLD_PRICE, {"change_id": change_id, "after": after, "limit": limit})
