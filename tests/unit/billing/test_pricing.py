"""Two weeks' notice for every increase, to the second."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from billing.domain.pricing import BadChange, PriceChange, check
from common.ids import new_id

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
BOOK = {"picture": 7_000}


def change(price: int, effective_at: datetime | None, sku: str = "picture") -> PriceChange:
    return PriceChange(new_id(), {sku: price}, "dearer upstream", effective_at)


def test_an_increase_in_13_days_23_59_59_is_refused_and_told_the_earliest_date() -> None:
    with pytest.raises(BadChange, match="2027-03-15T12:00:00"):
        check(change(7_001, NOW + timedelta(days=13, hours=23, minutes=59, seconds=59)), BOOK, NOW)


def test_an_increase_in_14_days_is_accepted() -> None:
    at = NOW + timedelta(days=14)
    assert check(change(7_001, at), BOOK, NOW) == at


def test_a_fortnight_with_a_day_of_23_hours_is_one_hour_short() -> None:
    winter, summer = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))
    announced = datetime(2027, 3, 20, 12, 0, tzinfo=winter)
    with pytest.raises(BadChange, match="14 days"):
        check(change(7_001, datetime(2027, 4, 3, 12, 0, tzinfo=summer)), BOOK, announced)
    assert check(change(7_001, datetime(2027, 4, 3, 13, 0, tzinfo=summer)), BOOK, announced)


def test_a_leap_day_counts_as_a_day() -> None:
    announced = datetime(2028, 2, 20, 9, 0, tzinfo=UTC)
    with pytest.raises(BadChange):
        check(change(7_001, datetime(2028, 3, 5, 8, 59, 59, tzinfo=UTC)), BOOK, announced)
    assert check(change(7_001, datetime(2028, 3, 5, 9, 0, tzinfo=UTC)), BOOK, announced)


def test_a_decrease_may_be_immediate() -> None:
    assert check(change(6_999, None), BOOK, NOW) == NOW
    assert check(change(6_999, NOW + timedelta(seconds=1)), BOOK, NOW) == NOW + timedelta(seconds=1)


def test_an_increase_without_a_date_is_refused() -> None:
    with pytest.raises(BadChange, match="earliest date"):
        check(change(7_001, None), BOOK, NOW)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (change(7_000, NOW + timedelta(days=20)), "already"),
        (change(1, NOW - timedelta(seconds=1)), "has passed"),
        (change(1, None, sku="unheard-of"), "no such SKU"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(wrong: PriceChange, says: str) -> None:
    with pytest.raises(BadChange, match=says):
        check(wrong, BOOK, NOW)


@pytest.mark.parametrize("price", [0, -1, 100_000_001])
def test_a_price_is_within_what_a_unit_may_cost(price: int) -> None:
    with pytest.raises(BadChange, match="unit price"):
        change(price, None)


def test_a_change_needs_prices_a_reason_and_a_date_with_an_offset() -> None:
    with pytest.raises(BadChange, match="SKU"):
        PriceChange(new_id(), {}, "why")
    with pytest.raises(BadChange, match="reason"):
        PriceChange(new_id(), {"picture": 1}, "")
    with pytest.raises(BadChange, match="offset"):
        PriceChange(new_id(), {"picture": 1}, "why", datetime(2027, 1, 1))  # noqa: DTZ001 - the mistake itself
