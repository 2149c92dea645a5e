"""Test cards: what each number and each `pm_card_...` token does."""

from dataclasses import dataclass
from typing import Literal

Behaviour = Literal["ok", "declined", "insufficient_funds", "expired", "authenticate", "fails_later", "disputed"]


@dataclass(frozen=True, slots=True)
class Card:
    """One test card."""

    number: str
    token: str
    behaviour: Behaviour
    brand: str = "visa"

    @property
    def last4(self) -> str:
        """The digits that are shown."""
        return self.number[-4:]


CARDS = (
    Card("4242424242424242", "pm_card_visa", "ok"),
    Card("5555555555554444", "pm_card_mastercard", "ok", "mastercard"),
    Card("4000000000000002", "pm_card_chargeDeclined", "declined"),
    Card("4000000000009995", "pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    Card("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "expired"),
    Card("4000002760003184", "pm_card_authenticationRequired", "authenticate"),
    Card("4000000000003220", "pm_card_threeDSecure2Required", "authenticate"),
    Card("4000000000000341", "pm_card_chargeCustomerFail", "fails_later"),
    Card("4000000000000259", "pm_card_createDispute", "disputed"),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {card.token: card for card in CARDS}

DECLINES: dict[str, tuple[str, str, str]] = {
    "declined": ("card_declined", "generic_decline", "Your card was declined."),
    "insufficient_funds": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "expired": ("expired_card", "expired_card", "Your card has expired."),
    "fails_later": ("card_declined", "generic_decline", "Your card was declined."),
    "authenticate": (
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
    ),
}
"""Error code, decline code and message of each way to be refused."""
