"""Automatic top-ups: when the balance falls below what the customer said, the card on file pays a package.

The customer is not there, so a bank that wants to ask him ends it: nothing more is tried until he says so. A month
costs no more than he allowed, counted before anything is paid.
"""

from uuid import UUID

from billing.payments.offers import CURRENCY, Offers
from billing.payments.selling import CannotSell
from billing.payments.stripe_client import StripeAway, StripeClient, StripeRefused
from billing.payments.sync import Sync
from billing.repository.payments import Orders
from billing.repository.topups import Due, TopUps
from common import telemetry
from common.database import Row

_AT_ONCE = 20
_CLAIM_S = 60.0

log = telemetry.logger(__name__)
topped_up = telemetry.counter("billing_topups", "Automatic top-ups by what became of them.", ("outcome",))


class ToppingUp:
    """Settings for customers, and the timer's work."""

    def __init__(self, client: StripeClient, orders: Orders, topups: TopUps, sync: Sync, offers: Offers) -> None:
        self._client = client
        self._orders = orders
        self._topups = topups
        self._sync = sync
        self._offers = offers

    async def allow(
        self, account_id: UUID, threshold_microusd: int, package: str, month_cap_cents: int, *, on: bool
    ) -> Row | None:
        """Begin or stop topping up. Raises CannotSell: no such package, or no card on file."""
        offer = self._offers.find("package", package)
        if offer is None:
            raise CannotSell("unknown_offer", "There is no package of that name.")
        if month_cap_cents < offer.amount_cents:
            raise CannotSell("limit_too_low", "The monthly limit does not cover one package.")
        customer = await self._orders.customer_of(account_id)
        if on and (customer is None or await self._client.card_of(customer) is None):
            raise CannotSell("no_card", "There is no card on file; save one first.")
        await self._topups.allow(account_id, threshold_microusd, package, month_cap_cents, on=on)
        return await self._topups.read(account_id)

    async def read(self, account_id: UUID) -> Row | None:
        """How it is set and how it fares; None: never set."""
        return await self._topups.read(account_id)

    async def run(self) -> int:
        """Pay what is due now; how many were tried. Raises CannotReach."""
        packages = {offer.id: offer.amount_cents for offer in self._offers.of("package")}
        due = await self._topups.begin(packages, _AT_ONCE, _CLAIM_S)
        for one in due:
            await self._pay(one)
        return len(due)

    async def _pay(self, due: Due) -> None:
        order = await self._orders.find(due.order_id)
        customer = await self._orders.customer_of(due.account_id)
        card = None if customer is None else await self._card(customer)
        if order is None or customer is None or card is None:
            await self._give_up(due, "no_card")
            return
        marked = {"order_id": str(order.order_id), "account_id": str(order.account_id)}
        try:
            intent = await self._client.charge_card(
                order.order_id.hex, customer, card, order.amount_cents, CURRENCY, marked
            )
        except StripeAway:
            return  # the same order, and so the same payment, again when the claim runs out
        except StripeRefused as refused:
            await self._give_up(due, refused.code or "card_declined")
            return
        await self._sync.payment(intent)
        topped_up.inc("paid")
        await self._topups.paid(due.account_id, due.order_id)

    async def _card(self, customer: str) -> str | None:
        try:
            return await self._client.card_of(customer)
        except StripeRefused:
            return None

    async def _give_up(self, due: Due, problem: str) -> None:
        topped_up.inc(problem)
        log.info("topup_failed", account_id=due.account_id.hex, reason=problem)
        await self._orders.end(due.order_id, "expired", problem)
        await self._topups.failed(due.account_id, due.order_id, problem)
