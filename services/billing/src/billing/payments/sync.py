"""Makes the ledger agree with one object at Stripe, however often and in whatever order it is asked to.

An event is only a hint: the object is fetched and looked at as it is now, checked against what we ordered, and
booked under an operation named after it. So a payment told of by two kinds of events, late, twice or never is booked
once, and what nobody told of is booked when the reconciler finds it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe

from billing.payments.offers import CURRENCY, MICROUSD_PER_CENT, Offers
from billing.payments.stripe_client import StripeClient, StripeRefused
from billing.repository.moves import Move, Moves, Pot
from billing.repository.payments import Orders
from common import telemetry
from common.clock import now

log = telemetry.logger(__name__)
booked = telemetry.counter("billing_payments", "Payments booked, each once.", ("event",))
misfits = telemetry.counter("billing_payment_misfits", "Objects at Stripe that do not fit our orders.", ("kind",))

# What a dispute of this status has done: the money is gone until it is won.
_WITHDRAWN = ("needs_response", "under_review", "lost", "won")


class Misfit(Exception):  # noqa: N818 - a fact
    """Stripe shows something that is not ours, or not what we ordered: nothing is booked, a person has to look."""


class Sync:
    """One method per kind of object."""

    def __init__(self, client: StripeClient, orders: Orders, moves: Moves, offers: Offers) -> None:
        self._client = client
        self._orders = orders
        self._moves = moves
        self._offers = offers
        self._by_type: tuple[tuple[str, Callable[[str], Awaitable[None]]], ...] = (
            ("checkout.session.", self.session),
            ("payment_intent.succeeded", self.payment),
            ("invoice.", self.invoice),
            ("charge.dispute.", self.dispute),
            ("charge.refunded", self.charge),
            ("customer.subscription.", self.subscription),
        )

    async def event(self, kind: str, identity: str) -> None:
        """Look at the object that an event of this type is about. Raises Misfit, StripeAway, CannotReach."""
        for prefix, look in self._by_type:
            if kind.startswith(prefix):
                await self._checked(kind, look, identity)
                return

    async def _checked(self, kind: str, look: Callable[[str], Awaitable[None]], identity: str) -> None:
        try:
            await look(identity)
        except StripeRefused as refused:
            if refused.code == "resource_missing":  # named by an event, unknown to Stripe: not ours
                raise Misfit(f"{identity} does not exist") from None
            raise
        except Misfit as misfit:
            misfits.inc(kind.partition(".")[0])
            log.error("payment_misfit", kind=kind, object=identity, reason=str(misfit))  # noqa: TRY400
            raise

    async def session(self, identity: str) -> None:
        """A Checkout page: paid for a package, begun a subscription, expired, or still open."""
        session = await self._client.session(identity)
        if session.mode == "setup":  # a card is kept for later: nothing is paid
            return
        order = await self._order_of(session)
        if session.status == "expired":
            await self._orders.end(order.order_id, "expired")
            return
        if session.status != "complete" or session.payment_status == "unpaid":
            return
        self._fits(session.livemode, session.currency)
        wanted = "payment" if order.kind == "package" else "subscription"
        if (session.mode, session.amount_subtotal) != (wanted, order.amount_cents):
            problem = f"{session.mode} of {session.amount_subtotal} cents, ordered {wanted} of {order.amount_cents}"
            await self._orders.note(order.order_id, problem)
            raise Misfit(problem)
        if order.kind == "plan":
            await self.subscription(_id(session.subscription))
            await self.invoice(_id(session.invoice))
        elif session.payment_intent is not None:
            discount = session.total_details.amount_discount if session.total_details else 0
            amount = (order.amount_cents - discount) * MICROUSD_PER_CENT
            operation = _operation(_id(session.payment_intent))
            reason = f"{order.offer}, order {order.order_id}"
            if amount > 0:
                move = Move(operation, "purchase", order.account_id, "purchased", amount, reason)
                _count(move, new=await self._moves.add(move))
        await self._orders.end(order.order_id, "paid")

    async def payment(self, identity: str) -> None:
        """An intent that was paid: in a Checkout page of ours, or by an invoice, whose own events tell of it."""
        session = await self._client.session_of(identity)
        if session is not None:
            await self.session(session.id)
        else:
            await self._topup(identity)

    async def _topup(self, identity: str) -> None:
        """An intent that no page was opened for: a card on file paid one of our orders."""
        intent = await self._client.intent(identity)
        named = intent.metadata.to_dict().get("order_id") if intent.metadata else None
        if named is None or intent.status != "succeeded":
            return
        try:
            order = await self._orders.find(UUID(named))
        except ValueError:
            order = None
        if order is None or not order.topup:
            raise Misfit(f"{identity} names no top-up of ours")
        self._fits(intent.livemode, intent.currency)
        account_id = await self._account_of(intent.customer)
        if (account_id, intent.amount_received) != (order.account_id, order.amount_cents):
            raise Misfit(f"{identity} paid {intent.amount_received} cents, ordered were {order.amount_cents}")
        reason = f"{order.offer}, automatic, order {order.order_id}"
        amount = order.amount_cents * MICROUSD_PER_CENT
        move = Move(_operation(identity), "purchase", account_id, "purchased", amount, reason)
        _count(move, new=await self._moves.add(move))
        await self._orders.end(order.order_id, "paid")

    async def invoice(self, identity: str) -> None:
        """A subscription's invoice: credits for what was really paid of it, before tax."""
        invoice = await self._client.invoice(identity)
        details = invoice.parent.subscription_details if invoice.parent else None
        if invoice.status != "paid" or details is None:
            return
        self._fits(invoice.livemode, invoice.currency)
        account_id = await self._account_of(invoice.customer)
        await self.subscription(_id(details.subscription))
        amount = _net_cents(invoice) * MICROUSD_PER_CENT
        if amount > 0:
            reason = f"invoice {invoice.number}"
            move = Move(_operation(invoice.id), "subscription", account_id, "subscription", amount, reason)
            _count(move, new=await self._moves.add(move))

    async def subscription(self, identity: str) -> None:
        """A subscription as it stands."""
        seen_at = now()
        subscription = await self._client.subscription(identity)
        account_id = await self._account_of(subscription.customer)
        item = subscription["items"]["data"][0]
        plan = self._offers.plan_of_price(item["price"]["lookup_key"])
        if plan is None:
            raise Misfit(f"{identity} is for a price that is none of our plans")
        await self._orders.subscribed(
            {
                "subscription_id": subscription.id,
                "account_id": account_id,
                "plan": plan.id,
                "status": subscription.status,
                "period_end": datetime.fromtimestamp(item["current_period_end"], UTC),
                "cancel_at_period_end": subscription.cancel_at_period_end,
                "seen_at": seen_at,
            }
        )

    async def charge(self, identity: str) -> None:
        """A charge that money was given back of: the same fraction of the credits goes."""
        charge = await self._client.charge(identity)
        refunds = [one for one in await self._client.refunds_of(identity) if one.status == "succeeded"]
        if not refunds:
            return
        account_id, pot, brought = await self._brought_by(charge)
        taken, refunded = 0, 0
        for refund in refunds:
            # By what all refunds so far come to, so that their fractions add up to the last thousandth.
            refunded += refund.amount
            amount = brought * refunded // charge.amount - taken
            taken += amount
            if amount > 0:
                reason = f"refund of {charge.id}"
                move = Move(_operation(refund.id), "card_refund", account_id, pot, amount, reason)
                _count(move, new=await self._moves.take_back(move))

    async def dispute(self, identity: str) -> None:
        """A charge that the bank took back, and perhaps has given again."""
        dispute = await self._client.dispute(identity)
        if dispute.status not in _WITHDRAWN:
            return
        charge = await self._client.charge(_id(dispute.charge))
        account_id, pot, brought = await self._brought_by(charge)
        amount = brought * dispute.amount // charge.amount
        reason = f"dispute {dispute.id}"
        move = Move(_operation(dispute.id), "dispute", account_id, pot, amount, reason)
        _count(move, new=await self._moves.take_back(move))
        if dispute.status == "won":
            won = replace(move, operation=f"{move.operation}:won", event="dispute_won")
            _count(won, new=await self._moves.give_back(won))
            await self._moves.lift(account_id, reason)
        else:
            await self._moves.suspend(account_id, reason)

    async def _brought_by(self, charge: stripe.Charge) -> tuple[UUID, Pot, int]:
        """Who got how many credits for a charge, into which pot; booked first if nobody has told of it yet."""
        intent = _id(charge.payment_intent)
        invoice = await self._client.invoice_of(intent)
        session = await self._client.session_of(intent)
        if session is not None:
            await self.session(session.id)
        elif invoice is not None:
            await self.invoice(invoice)
        else:
            await self._topup(intent)
        for operation in (_operation(intent), *([_operation(invoice)] if invoice else [])):
            found = await self._moves.brought(operation)
            if found is not None:
                return found
        raise Misfit(f"{charge.id} never brought anybody credits")

    async def _order_of(self, session: stripe.checkout.Session) -> Any:
        try:
            order = await self._orders.find(UUID(session.client_reference_id or ""))
        except ValueError:
            order = None
        if order is None:
            raise Misfit(f"{session.id} names no order of ours")
        if order.session_id is None:
            await self._orders.paid_at(order.order_id, session.id)  # its making was not noted
        elif order.session_id != session.id:
            raise Misfit(f"{session.id} names an order that has another page")
        return order

    async def _account_of(self, customer: Any) -> UUID:
        account_id = await self._orders.account_of(_id(customer))
        if account_id is None:
            raise Misfit(f"{_id(customer)} is no customer of ours")
        return account_id

    def _fits(self, livemode: bool, currency: str | None) -> None:  # noqa: FBT001
        if livemode != self._client.livemode:
            raise Misfit("it is of the other mode (live or test)")
        if currency != CURRENCY:
            raise Misfit(f"it is in {currency}, we take {CURRENCY}")


def _net_cents(invoice: stripe.Invoice) -> int:
    """What was paid of an invoice, without the tax in it; what credit of the customer paid was paid before."""
    net, total = invoice.total_excluding_tax or 0, invoice.total
    if total <= 0 or net <= 0:
        return 0
    return net if invoice.amount_paid >= total else net * invoice.amount_paid // total


def _count(move: Move, *, new: bool) -> None:
    if new:
        booked.inc(move.event)


def _operation(identity: str) -> str:
    return f"stripe:{identity}"


def _id(value: Any) -> str:
    """An id, or the id of an object shown in its place."""
    return value if isinstance(value, str) else str(value.id)
