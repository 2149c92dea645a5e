"""The price book: per SKU, versions that come into force at a moment and are never changed."""

from collections.abc import Mapping, Sequence

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

_IN_FORCE = """
select distinct on (sku) sku, unit_price_microusd, version as price_version
from prices where effective_at <= clock_timestamp() and (%(sku)s::text is null or sku = %(sku)s)
order by sku, effective_at desc
"""


class Prices:
    """Reads the price book and seeds it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seed(self, prices: Mapping[str, int]) -> int:
        """Give each SKU without any price its first one; how many were added."""
        return await self._database.execute(_SEED, {"skus": list(prices), "prices": list(prices.values())})

    async def in_force(self) -> Sequence[Row]:
        """Every SKU's price now."""
        return await self._database.fetch(_IN_FORCE, {"sku": None})

    async def of(self, sku: str) -> Row | None:
        """One SKU's price now."""
        rows = await self._database.fetch(_IN_FORCE, {"sku": sku})
        return rows[0] if rows else None
