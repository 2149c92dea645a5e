"""First prices: what the catalogue proposes, for SKUs that have no price yet."""

from collections.abc import Mapping

from billing.domain.reservation import MAX_UNIT_PRICE_MICROUSD
from common import catalogue


class BadPrice(ValueError):  # noqa: N818 - a fact about the catalogue
    """The catalogue proposes a price that no price book can keep."""


def proposed_prices() -> Mapping[str, int]:
    """Micro-dollars a unit, by SKU.

    Raises:
        CatalogueError: a model file is wrong.
        BadPrice: a price is not above zero, or dearer than any unit can be.
    """
    proposed = {sku: price for model in catalogue.load().models for sku, price in model.seed_prices.items()}
    for sku, price in proposed.items():
        if not 0 < price <= MAX_UNIT_PRICE_MICROUSD:
            raise BadPrice(f"{sku}: {price} micro-dollars a unit is outside 1 to {MAX_UNIT_PRICE_MICROUSD:,}")
    return proposed
