"""Changes of the price book, as an operator orders them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.domain.reservation import MAX_UNIT_PRICE_MICROUSD

NOTICE = timedelta(hours=14 * 24)
"""How long before it is paid a raised price must have been announced (P9). In hours, for a day may have 23."""


class BadChange(ValueError):  # noqa: N818 - a fact about the request
    """This change cannot be scheduled; the message says what to change."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """New prices, announced together, from a date on or so long after the announcement; with neither, at once."""

    change_id: UUID
    unit_prices_microusd: Mapping[str, int]
    reason: str
    effective_at: datetime | None = None
    effective_in: timedelta | None = None

    def starts_at(self, now: datetime) -> datetime:
        """When it takes effect if it is announced now."""
        return self.effective_at or now + (self.effective_in or timedelta())

    def __post_init__(self) -> None:
        if not self.unit_prices_microusd:
            raise BadChange("name at least one SKU and its new price")
        for sku, price in self.unit_prices_microusd.items():
            if not 0 < price <= MAX_UNIT_PRICE_MICROUSD:
                raise BadChange(
                    f"{sku}: a unit price is above 0 and at most {MAX_UNIT_PRICE_MICROUSD:,} micro-dollars"
                )
        if not 1 <= len(self.reason) <= 500:
            raise BadChange("give a reason of 1 to 500 characters; customers read it in their notice")
        if self.effective_at is not None and self.effective_at.tzinfo is None:
            raise BadChange("write the date with its offset, such as 2027-03-01T00:00:00Z")


def check(change: PriceChange, in_force: Mapping[str, int], now: datetime) -> datetime:
    """When the change takes effect.

    ``in_force`` has the price of each SKU as it will be on that date if nothing is changed.

    Raises:
        BadChange: an unknown SKU, a date that has passed, a price that is none, or an increase nearer than NOTICE;
            the message names the earliest date.
    """
    effective_at = change.starts_at(now)
    if effective_at < now:
        raise BadChange(f"{effective_at.isoformat()} has passed; leave the date out for a decrease at once")
    for sku, price in change.unit_prices_microusd.items():
        if sku not in in_force:
            raise BadChange(f"{sku}: no such SKU in the price book")
        if price == in_force[sku]:
            raise BadChange(f"{sku}: that is its price on {effective_at.isoformat()} already")
        if price > in_force[sku] and effective_at < now + NOTICE:
            earliest = (now + NOTICE).isoformat(timespec="seconds")
            raise BadChange(
                f"{sku}: an increase needs 14 days' notice; the earliest date is {earliest} and one second"
            )
    return effective_at
