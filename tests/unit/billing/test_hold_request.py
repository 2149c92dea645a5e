"""What a request for a hold must be before anything is asked of the database."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from billing.domain.postings import HOUSE, Credit
from billing.domain.reservation import MAX_QUANTITY, Hold, Impossible

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def a_hold(**changes: object) -> Hold:
    fields: dict[str, object] = {
        "job_id": uuid4(),
        "account_id": uuid4(),
        "sku": "picture",
        "quantity": 6,
        "outputs": 3,
        "deadline_ms": 1_000,
        "accept_by": MOMENT,
        "synchronous": True,
        "livemode": True,
        "replica": "r",
    }
    return Hold(**{**fields, **changes})  # type: ignore[arg-type]


def test_units_spread_evenly_over_outputs() -> None:
    assert a_hold().quantity == 6
    with pytest.raises(Impossible):
        a_hold(quantity=7)


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 0},
        {"quantity": -3},
        {"quantity": (MAX_QUANTITY // 3 + 1) * 3},
        {"outputs": 0},
        {"outputs": -3},
        {"deadline_ms": 0},
        {"deadline_ms": 24 * 3600 * 1000 + 1},
    ],
)
def test_numbers_have_bounds(changes: dict[str, object]) -> None:
    with pytest.raises(Impossible):
        a_hold(**changes)


@pytest.mark.parametrize(
    ("operation", "amount", "reason"),
    [("", 1, ""), ("x" * 201, 1, ""), ("x", 0, ""), ("x", -1, ""), ("x", 10**12 + 1, ""), ("x", 1, "y" * 501)],
)
def test_a_credit_has_bounds(operation: str, amount: int, reason: str) -> None:
    with pytest.raises(ValueError, match=r"must|has"):
        Credit(operation, uuid4(), amount, reason)


def test_the_house_is_no_customer() -> None:
    with pytest.raises(ValueError, match="house"):
        Credit("x", HOUSE, 1, "")
