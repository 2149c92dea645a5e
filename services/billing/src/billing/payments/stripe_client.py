"""Stripe as billing uses it: few calls, each idempotent, each failure either 'away' or 'no'."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import stripe

from common import telemetry

Answer = TypeVar("Answer")

_TIMEOUT_S = 20.0
_RETRIES = 2
_PAGE = 100

log = telemetry.logger(__name__)


class StripeAway(Exception):  # noqa: N818 - a fact
    """Stripe does not answer, or says to come again; nobody knows whether it did what was asked."""


class StripeRefused(Exception):  # noqa: N818 - a fact
    """Stripe says no; the message is for the customer where it is about a card."""

    def __init__(self, message: str, code: str | None, *, card: bool) -> None:
        super().__init__(message)
        self.code = code
        self.card = card


class StripeClient:
    """Calls of the official SDK, asynchronous. ``key`` decides live or test mode."""

    def __init__(self, key: str, base_url: str = "") -> None:
        self._http = stripe.AIOHTTPClient(timeout=_TIMEOUT_S)
        addresses: Any = {"api": base_url.rstrip("/")} if base_url else {}
        self._v1 = stripe.StripeClient(
            key, base_addresses=addresses, http_client=self._http, max_network_retries=_RETRIES
        ).v1
        self.livemode = key.startswith(("sk_live_", "rk_live_"))

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    # Making things. The idempotency key is ours, so that a repeat after any failure does nothing twice.

    async def make_customer(self, account_id: str, email: str) -> str:
        """The customer that stands for an account."""
        made = await _asked(
            self._v1.customers.create_async(
                {"email": email, "metadata": {"account_id": account_id}}, _once(f"customer:{account_id}")
            )
        )
        return made.id

    async def open_checkout(self, order_id: str, params: dict[str, Any]) -> stripe.checkout.Session:
        """A Checkout page for one order."""
        given: Any = params
        return await _asked(self._v1.checkout.sessions.create_async(given, _once(f"order:{order_id}")))

    async def price_named(self, lookup_key: str, title: str, amount_cents: int, currency: str) -> str:
        """The recurring price of a plan, made at first use."""
        found = await _asked(self._v1.prices.list_async({"lookup_keys": [lookup_key], "active": True}))
        if found.data:
            return found.data[0].id
        made = await _asked(
            self._v1.prices.create_async(
                {
                    "currency": currency,
                    "unit_amount": amount_cents,
                    "recurring": {"interval": "month"},
                    "product_data": {"name": title},
                    "lookup_key": lookup_key,
                    "tax_behavior": "exclusive",
                },
                _once(f"price:{lookup_key}"),
            )
        )
        return made.id

    async def open_portal(self, customer: str, return_url: str) -> str:
        """A way into the billing portal."""
        session = await _asked(
            self._v1.billing_portal.sessions.create_async({"customer": customer, "return_url": return_url})
        )
        return session.url

    async def change_plan(self, subscription: str, item: str, price: str) -> None:
        """Another plan from now on; the difference is invoiced and paid at once, or nothing changes."""
        await _asked(
            self._v1.subscriptions.update_async(
                subscription,
                {
                    "items": [{"id": item, "price": price}],
                    "proration_behavior": "always_invoice",
                    "payment_behavior": "error_if_incomplete",
                },
            )
        )

    async def end_with_period(self, subscription: str, *, ends: bool) -> None:
        """Let a subscription end with its period, or not after all."""
        await _asked(self._v1.subscriptions.update_async(subscription, {"cancel_at_period_end": ends}))

    async def charge_card(  # noqa: PLR0917 - what a payment is
        self, order_id: str, customer: str, card: str, amount_cents: int, currency: str, marked: dict[str, str]
    ) -> str:
        """Charge a card on file while its owner is not there; the intent's id. Repeated for an order, the same one.

        Raises StripeRefused with code ``authentication_required`` when the bank wants to ask the owner.
        """
        made = await _asked(
            self._v1.payment_intents.create_async(
                {
                    "amount": amount_cents,
                    "currency": currency,
                    "customer": customer,
                    "payment_method": card,
                    "off_session": True,
                    "confirm": True,
                    "metadata": marked,
                },
                _once(f"topup:{order_id}"),
            )
        )
        return made.id

    async def card_of(self, customer: str) -> str | None:
        """The card that a customer has on file: the chosen one, or the newest."""
        found = await _asked(self._v1.customers.retrieve_async(customer))
        chosen = found.invoice_settings.default_payment_method if found.invoice_settings else None
        if chosen is not None:
            return _id(chosen)
        cards = await _asked(self._v1.payment_methods.list_async({"customer": customer, "type": "card", "limit": 1}))
        return cards.data[0].id if cards.data else None

    async def intent(self, identity: str) -> stripe.PaymentIntent:
        """An intent as it is now."""
        return await _asked(self._v1.payment_intents.retrieve_async(identity))

    async def refund(self, payment_intent: str, amount_cents: int | None, key: str) -> stripe.Refund:
        """Give money back to the card."""
        params: Any = {"payment_intent": payment_intent, "reason": "requested_by_customer"}
        if amount_cents is not None:
            params["amount"] = amount_cents
        return await _asked(self._v1.refunds.create_async(params, _once(f"refund:{key}")))

    # Looking at things.

    async def session(self, identity: str) -> stripe.checkout.Session:
        """A Checkout session as it is now."""
        return await _asked(self._v1.checkout.sessions.retrieve_async(identity))

    async def session_of(self, payment_intent: str) -> stripe.checkout.Session | None:
        """The session that an intent was paid in."""
        found = await _asked(self._v1.checkout.sessions.list_async({"payment_intent": payment_intent}))
        return found.data[0] if found.data else None

    async def invoice(self, identity: str) -> stripe.Invoice:
        """An invoice as it is now."""
        return await _asked(self._v1.invoices.retrieve_async(identity))

    async def invoice_of(self, payment_intent: str) -> str | None:
        """The invoice that an intent paid."""
        wanted: Any = {"payment": {"type": "payment_intent", "payment_intent": payment_intent}}
        found = await _asked(self._v1.invoice_payments.list_async(wanted))
        return _id(found.data[0].invoice) if found.data else None

    async def subscription(self, identity: str) -> stripe.Subscription:
        """A subscription as it is now."""
        return await _asked(self._v1.subscriptions.retrieve_async(identity))

    async def charge(self, identity: str) -> stripe.Charge:
        """A charge as it is now."""
        return await _asked(self._v1.charges.retrieve_async(identity))

    async def dispute(self, identity: str) -> stripe.Dispute:
        """A dispute as it is now."""
        return await _asked(self._v1.disputes.retrieve_async(identity))

    async def refunds_of(self, charge: str) -> list[stripe.Refund]:
        """Every refund of a charge, oldest first."""
        page = await _asked(self._v1.refunds.list_async({"charge": charge, "limit": _PAGE}))
        return sorted([one async for one in page.auto_paging_iter()], key=lambda one: (one.created, one.id))

    async def invoices_of(self, customer: str, limit: int) -> list[stripe.Invoice]:
        """A customer's invoices, newest first."""
        return (await _asked(self._v1.invoices.list_async({"customer": customer, "limit": limit}))).data

    async def since(self, kind: str, moment: int) -> AsyncIterator[Any]:
        """Everything of one kind that was made since then: events, invoices, refunds, disputes, sessions."""
        services: dict[str, Any] = {
            "event": self._v1.events,
            "invoice": self._v1.invoices,
            "refund": self._v1.refunds,
            "dispute": self._v1.disputes,
            "checkout.session": self._v1.checkout.sessions,
            "subscription": self._v1.subscriptions,
        }
        params: Any = {"limit": _PAGE, "created": {"gte": moment}}
        if kind == "subscription":
            params["status"] = "all"
        page = await _asked(services[kind].list_async(params))
        while True:
            for one in page.data:
                yield one
            if not page.has_more:
                return
            page = await _asked(services[kind].list_async({**params, "starting_after": page.data[-1].id}))


def _id(value: Any) -> str:
    """An id, or the id of an object shown in its place."""
    return value if isinstance(value, str) else str(value.id)


def _once(key: str) -> Any:
    return {"idempotency_key": f"reapi:{key}"}


async def _asked(call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except stripe.CardError as error:
        raise StripeRefused(error.user_message or "The card was declined.", error.code, card=True) from None
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise StripeAway(type(error).__name__) from None
    except stripe.StripeError as error:
        if error.http_status is None or error.http_status >= 500 or error.http_status == 409:
            raise StripeAway(type(error).__name__) from None
        # Its message names parameters and ids of ours, nothing of a customer's.
        log.warning("stripe_refuses", status=error.http_status, code=error.code, message=str(error.user_message))
        raise StripeRefused(str(error.user_message or "Stripe refused."), error.code, card=False) from None
