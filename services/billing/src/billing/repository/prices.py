"""The price book: per SKU, versions that come into force at a moment and are never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from common.database import Database, Row

# `-infinity`: in force since ever, and only for SKUs that have no price at all, so that a seed never undoes a
# change made later. Two replicas starting together meet at the unique index.
_SEED = """
insert into prices (sku, unit_price_microusd, effective_at)
select s.sku, s.unit_price_microusd, '-infinity'
from unnest(%(skus)s::text[], %(prices)s::bigint[]) as s (sku, unit_price_microusd)
where not exists (select from prices p where p.sku = s.sku)
order by s.sku
on conflict (sku, effective_at) do nothing
"""

# Without an account: what somebody who signs up now would pay.
_PAID = """
with moment as materialized (select clock_timestamp() as at)
select s.sku, p.unit_price_microusd, p.version as price_version
from moment m cross join (select distinct sku from prices) s cross join lateral price_of(
    s.sku, %(account)s, least(%(opened)s, (select opened_at from accounts where account_id = %(account)s), m.at), m.at
) p
where %(sku)s::text is null or s.sku = %(sku)s
order by s.sku
"""

# Announced, and not yet what this account pays.
_UPCOMING = """
select p.sku, p.unit_price_microusd, p.version as price_version, p.effective_at, c.announced_at, c.reason
from prices p join price_changes c using (change_id)
where p.effective_at > clock_timestamp()
order by p.effective_at, p.sku
"""


class Prices:
    """Reads the price book and seeds it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seed(self, prices: Mapping[str, int]) -> int:
        """Give each SKU without any price its first one; how many were added."""
        return await self._database.execute(_SEED, {"skus": list(prices), "prices": list(prices.values())})

    async def paid_by(self, account_id: UUID | None = None, opened_at: datetime | None = None) -> Sequence[Row]:
        """Every SKU's price now, for an account opened at that time, or for somebody who signs up now."""
        return await self._database.fetch(_PAID, {"sku": None, "account": account_id, "opened": opened_at})

    async def of(self, sku: str, account_id: UUID | None = None, opened_at: datetime | None = None) -> Row | None:
        """One SKU's price now, likewise."""
        rows = await self._database.fetch(_PAID, {"sku": sku, "account": account_id, "opened": opened_at})
        return rows[0] if rows else None

    async def upcoming(self) -> Sequence[Row]:
        """Versions that are announced and whose date has not come, soonest first."""
        return await self._database.fetch(_UPCOMING)
