"""Moves of credits that an operator makes."""

from dataclasses import dataclass
from uuid import UUID

HOUSE = UUID(int=0)
"""The account id of what is ours or the outside world's; customers never have it."""
MAX_AMOUNT_MICROUSD = 10**12


@dataclass(frozen=True, slots=True)
class Credit:
    """Credits that come in from outside, into a customer's purchased pot; once per operation."""

    operation: str
    account_id: UUID
    amount_microusd: int
    reason: str

    def __post_init__(self) -> None:
        if not 0 < self.amount_microusd <= MAX_AMOUNT_MICROUSD:
            raise ValueError(f"an amount must be above 0 and at most {MAX_AMOUNT_MICROUSD:,} micro-dollars")
        if not 1 <= len(self.operation) <= 200:
            raise ValueError("an operation id has 1 to 200 characters")
        if len(self.reason) > 500:
            raise ValueError("a reason has at most 500 characters")
        if self.account_id == HOUSE:
            raise ValueError("the house is not a customer")


@dataclass(frozen=True, slots=True)
class Balance:
    """What a customer has; available = subscription + granted + purchased."""

    account_id: UUID
    subscription_microusd: int
    granted_microusd: int
    purchased_microusd: int
    held_microusd: int

    @property
    def available_microusd(self) -> int:
        """What a new hold may take."""
        return self.subscription_microusd + self.granted_microusd + self.purchased_microusd


class OperationTaken(Exception):  # noqa: N818 - a fact, not a failure
    """This operation id stands for another posting already."""
