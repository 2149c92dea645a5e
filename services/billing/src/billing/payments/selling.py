"""What a customer does about money: orders, subscriptions, the portal, invoices."""

from typing import Any
from uuid import UUID, uuid4

from billing.payments.offers import CURRENCY, Offer, Offers
from billing.payments.stripe_client import StripeClient
from billing.payments.sync import Sync
from billing.repository.payments import Order, Orders
from common import telemetry

_LIVE = ("active", "past_due", "unpaid", "trialing", "incomplete")
_INVOICES = 100

log = telemetry.logger(__name__)


class CannotSell(Exception):  # noqa: N818 - a fact
    """The customer asks for something that is not to be had; ``code`` says what."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Selling:
    """Each method is one thing that a customer may do."""

    def __init__(self, client: StripeClient, orders: Orders, sync: Sync, offers: Offers, *, tax: bool) -> None:
        self._client = client
        self._orders = orders
        self._sync = sync
        self._offers = offers
        self._tax = tax

    async def prepare(self) -> None:
        """Have every plan's price at Stripe, so that its portal offers them all. Raises StripeAway."""
        for offer in self._offers.of("plan"):
            await self._client.price_named(offer.lookup_key, offer.title, offer.amount_cents, CURRENCY)

    async def order(
        self,
        *,
        order_id: UUID,
        account_id: UUID,
        email: str,
        kind: Any,
        offer_id: str,
        success_url: str,
        cancel_url: str,
    ) -> tuple[Order, str | None]:
        """An order and the page to pay it on; asked for again, the same. None: it is paid or expired.

        Raises CannotSell, StripeAway, StripeRefused.
        """
        offer = self._offers.find(kind, offer_id)
        if offer is None:
            known = ", ".join(one.id for one in self._offers.of(kind))
            raise CannotSell("unknown_offer", f"There is no {kind} of that name; there are: {known}.")
        if kind == "plan" and await self._live(account_id) is not None:
            raise CannotSell("already_subscribed", "This account has a subscription; change its plan instead.")
        order = await self._orders.place(
            {
                "order_id": order_id,
                "account_id": account_id,
                "kind": kind,
                "offer": offer.id,
                "amount_cents": offer.amount_cents,
                "currency": CURRENCY,
                "credits_microusd": offer.credits_microusd,
            }
        )
        if (order.account_id, order.kind, order.offer) != (account_id, kind, offer.id):
            raise CannotSell("order_conflict", "This order id stands for another order already.")
        customer = await self._customer(account_id, email)
        params = await self._page(order, offer, customer, success_url, cancel_url)
        session = await self._client.open_checkout(order_id.hex, params)
        await self._orders.paid_at(order_id, session.id)
        return order, session.url

    async def _customer(self, account_id: UUID, email: str) -> str:
        known = await self._orders.customer_of(account_id)
        if known is None:
            await self._orders.remember(account_id, await self._client.make_customer(str(account_id), email))
            known = await self._orders.customer_of(account_id)
        assert known is not None
        return known

    async def _page(
        self, order: Order, offer: Offer, customer: str, success_url: str, cancel_url: str
    ) -> dict[str, Any]:
        marked = {"order_id": str(order.order_id), "account_id": str(order.account_id)}
        params: dict[str, Any] = {
            "customer": customer,
            "client_reference_id": str(order.order_id),
            "metadata": marked,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "automatic_tax": {"enabled": self._tax},
        }
        if offer.kind == "package":
            price = {
                "currency": CURRENCY,
                "unit_amount": offer.amount_cents,
                "tax_behavior": "exclusive",
                "product_data": {"name": offer.title},
            }
            return params | {
                "mode": "payment",
                "line_items": [{"price_data": price, "quantity": 1}],
                "payment_intent_data": {"metadata": marked},
                "invoice_creation": {"enabled": True},
            }
        price_id = await self._client.price_named(offer.lookup_key, offer.title, offer.amount_cents, CURRENCY)
        return params | {
            "mode": "subscription",
            "line_items": [{"price": price_id, "quantity": 1}],
            "subscription_data": {"metadata": marked},
        }

    async def _live(self, account_id: UUID) -> Any:
        """The account's subscription if it goes on, as Stripe shows it now."""
        known = await self._orders.subscription_of(account_id)
        if known is None or known["status"] not in _LIVE:
            return None
        await self._sync.subscription(known["subscription_id"])
        known = await self._orders.subscription_of(account_id)
        return known if known is not None and known["status"] in _LIVE else None

    async def change_plan(self, account_id: UUID, plan: str) -> None:
        """Another plan at once; the difference is paid now. Raises CannotSell, StripeRefused (a declined card)."""
        offer = self._offers.find("plan", plan)
        if offer is None:
            raise CannotSell("unknown_offer", "There is no plan of that name.")
        known = await self._must_live(account_id)
        if known["plan"] == plan:
            raise CannotSell("same_plan", "That is the plan already.")
        price = await self._client.price_named(offer.lookup_key, offer.title, offer.amount_cents, CURRENCY)
        subscription = await self._client.subscription(known["subscription_id"])
        item = subscription["items"]["data"][0]["id"]
        await self._client.change_plan(known["subscription_id"], item, price)
        await self._sync.subscription(known["subscription_id"])
        changed = await self._client.subscription(known["subscription_id"])
        if changed.latest_invoice is not None:
            await self._sync.invoice(str(changed.latest_invoice))

    async def end(self, account_id: UUID, *, ends: bool) -> None:
        """Let the subscription end with its period, or go on after all. Raises CannotSell."""
        known = await self._must_live(account_id)
        await self._client.end_with_period(known["subscription_id"], ends=ends)
        await self._sync.subscription(known["subscription_id"])

    async def _must_live(self, account_id: UUID) -> Any:
        known = await self._live(account_id)
        if known is None:
            raise CannotSell("not_subscribed", "This account has no subscription; order a plan first.")
        return known

    async def portal(self, account_id: UUID, return_url: str) -> str:
        """The billing portal's page. Raises CannotSell for somebody who never bought anything."""
        customer = await self._orders.customer_of(account_id)
        if customer is None:
            raise CannotSell("no_customer", "There is nothing to look after yet: order something first.")
        return await self._client.open_portal(customer, return_url)

    async def keep_card(self, account_id: UUID, email: str, return_url: str) -> str:
        """A page on which a card is kept for later, for automatic top-ups."""
        customer = await self._customer(account_id, email)
        session = await self._client.open_checkout(
            f"card:{uuid4().hex}",
            {"mode": "setup", "customer": customer, "success_url": return_url, "cancel_url": return_url,
             "currency": CURRENCY},
        )  # fmt: skip
        assert session.url is not None
        return session.url

    async def invoices(self, account_id: UUID) -> list[dict[str, Any]]:
        """Invoices and receipts, newest first."""
        customer = await self._orders.customer_of(account_id)
        if customer is None:
            return []
        return [
            {
                "id": one.id,
                "number": one.number,
                "status": one.status,
                "total_cents": one.total,
                "paid_cents": one.amount_paid,
                "currency": one.currency,
                "created": one.created,
                "page_url": one.hosted_invoice_url,
                "pdf_url": one.invoice_pdf,
            }
            for one in await self._client.invoices_of(customer, _INVOICES)
            if one.number is not None
        ]

    async def subscription(self, account_id: UUID) -> Any:
        """The account's subscription as we know it; None: never had one."""
        return await self._orders.subscription_of(account_id)
