"""Looks through what Stripe has, and books what nobody told of. One complete run closes every gap."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from billing.payments.inbox import Inbox, as_told
from billing.payments.stripe_client import StripeClient
from billing.payments.sync import Misfit, Sync
from billing.repository.moves import Moves
from billing.repository.payments import Orders, StripeEvents
from common import telemetry
from common.clock import now

_OVERLAP = timedelta(hours=1)
_FIRST = timedelta(days=30)
"""Stripe lists events of so many days."""
_OPEN_S = 60.0
_BATCH = 100
_KINDS = {
    "checkout.session": "checkout.session.found",
    "subscription": "customer.subscription.found",
    "invoice": "invoice.found",
    "refund": "charge.refunded",
    "dispute": "charge.dispute.found",
}
"""Kinds of objects, and the type of event that looks at one."""

log = telemetry.logger(__name__)
gaps = telemetry.counter("billing_reconciler_gaps", "Things at Stripe that nobody had told of.", ("kind",))


class Reconciler:
    """Compares, and mends by the same code that events run."""

    def __init__(  # noqa: PLR0917
        self, client: StripeClient, events: StripeEvents, orders: Orders, moves: Moves, sync: Sync, inbox: Inbox
    ) -> None:
        self._client = client
        self._events = events
        self._orders = orders
        self._moves = moves
        self._sync = sync
        self._inbox = inbox

    async def run(self) -> dict[str, int]:
        """One complete look; how many gaps there were, by kind. Raises StripeAway, CannotReach."""
        began = now()
        before = await self._events.reconciled_until()
        since = int((began - _FIRST if before is None else before - _OVERLAP).timestamp())
        found = {"event": await self._new_events(since)}
        for kind, as_event in _KINDS.items():
            found[kind] = await self._missing(kind, as_event, since)
        found["order"] = await self._open_orders()
        await self._events.reconciled(began)
        for kind, count in found.items():
            if count:
                gaps.inc(kind, by=count)
                log.warning("gaps_closed", kind=kind, count=count)
        return found

    async def _new_events(self, since: int) -> int:
        new = 0
        async for batch in _batches(self._client.since("event", since)):
            new += await self._events.add([as_told(event) for event in batch])
        if new:
            self._inbox.wake()
            while await self._inbox.work():
                pass
        return new

    async def _missing(self, kind: str, as_event: str, since: int) -> int:
        """Objects that should have moved credits and have not."""
        missing = 0
        async for batch in _batches(self._client.since(kind, since)):
            moving = {f"stripe:{_mover(kind, one)}": one for one in batch if _mover(kind, one)}
            known = await self._moves.known(list(moving))
            for operation, one in moving.items():
                if operation in known:
                    continue
                named = one.charge if kind == "refund" else one.id
                try:
                    await self._sync.event(as_event, str(named))
                except Misfit:
                    continue
                missing += operation in await self._moves.known([operation])
        return missing

    async def _open_orders(self) -> int:
        """Orders whose page was paid or closed while nobody listened."""
        closed = 0
        for order in await self._orders.open_since(_OPEN_S, _BATCH):
            assert order.session_id is not None
            try:
                await self._sync.event("checkout.session.found", order.session_id)
            except Misfit:
                continue
            after = await self._orders.find(order.order_id)
            closed += after is not None and after.state != "open"
        return closed


def _mover(kind: str, one: object) -> str | None:
    """The id under which this object's credits are booked; None if it moves none."""
    status = getattr(one, "status", None)
    match kind:
        case "checkout.session" if getattr(one, "payment_status", None) == "paid":
            intent = getattr(one, "payment_intent", None)
            return None if intent is None else str(intent)
        case "invoice" if status == "paid" and getattr(one, "parent", None) is not None:
            return str(getattr(one, "id"))  # noqa: B009 - typed as object
        case "refund" if status == "succeeded":
            return str(getattr(one, "id"))  # noqa: B009
        case "dispute":
            return str(getattr(one, "id"))  # noqa: B009
    return None


async def _batches(things: AsyncIterator[object]) -> AsyncIterator[list]:  # type: ignore[type-arg]
    batch: list[object] = []
    async for one in things:
        batch.append(one)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
            await asyncio.sleep(0)
    if batch:
        yield batch
