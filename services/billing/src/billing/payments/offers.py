"""Packages and monthly plans, as data."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

MICROUSD_PER_CENT = 10_000
"""One cent is ten credits."""
CURRENCY = "usd"

Kind = Literal["package", "plan"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to buy: once (a package) or every month (a plan)."""

    kind: Kind
    id: str
    title: str
    amount_cents: int

    @property
    def credits_microusd(self) -> int:
        """What it gives."""
        return self.amount_cents * MICROUSD_PER_CENT

    @property
    def lookup_key(self) -> str:
        """The name of a plan's price at Stripe; another amount is another price."""
        return f"reapi_{self.id}_{self.amount_cents}"


class Offers:
    """All that is offered."""

    def __init__(self, offers: list[Offer]) -> None:
        self._by_id = {(offer.kind, offer.id): offer for offer in offers}
        if len(self._by_id) != len(offers):
            raise ValueError("offers.toml has an id twice")
        self._by_lookup_key = {offer.lookup_key: offer for offer in offers if offer.kind == "plan"}

    def of(self, kind: Kind) -> list[Offer]:
        """All packages, or all plans, in the order of the file."""
        return [offer for offer in self._by_id.values() if offer.kind == kind]

    def find(self, kind: Kind, identity: str) -> Offer | None:
        """One of them."""
        return self._by_id.get((kind, identity))

    def plan_of_price(self, lookup_key: str | None) -> Offer | None:
        """The plan that a price at Stripe stands for."""
        return self._by_lookup_key.get(lookup_key or "")


@cache
def load() -> Offers:
    """From the file beside this one. Raises ValueError when it makes no sense."""
    data = tomllib.loads(files("billing.payments").joinpath("offers.toml").read_text())
    kinds: tuple[Kind, ...] = ("package", "plan")
    offers = [Offer(kind, one["id"], one["title"], one["amount_cents"]) for kind in kinds for one in data[kind]]
    for offer in offers:
        if offer.amount_cents < 50 or not offer.id.isascii():
            raise ValueError(f"{offer.id}: an offer costs 50 cents or more and has a plain id")
    return Offers(offers)
