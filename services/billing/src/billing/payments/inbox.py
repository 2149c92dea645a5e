"""Stripe's webhooks: proved genuine, kept, answered; then worked, again and again until they are."""

import asyncio
from datetime import UTC, datetime

import stripe

from billing.payments.stripe_client import StripeAway, StripeRefused
from billing.payments.sync import Misfit, Sync
from billing.repository.payments import StripeEvents, Told
from common import telemetry
from common.failpoints import reach
from common.messaging import CannotReach
from common.messaging.unforeseen import told

_AT_ONCE = 8
_CLAIM_S = 60.0
_IDLE_S = 5.0
_TOLERANCE_S = 300
"""An older signature may be a recording."""

log = telemetry.logger(__name__)
received = telemetry.counter("billing_stripe_events", "Webhooks by what became of them.", ("outcome",))


class NotGenuine(Exception):  # noqa: N818 - a fact
    """Not signed by Stripe for us, or too long ago, or of the other mode."""


class Inbox:
    """Takes events in, and works them."""

    def __init__(self, events: StripeEvents, sync: Sync, secret: str, *, livemode: bool) -> None:
        assert secret, "an empty secret would make every forgery genuine"
        self._events = events
        self._sync = sync
        self._secret = secret
        self._livemode = livemode
        self._news = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def take(self, body: bytes, signature: str) -> None:
        """Keep one event; it is safe once this returns. Raises NotGenuine, CannotReach."""
        try:
            event = stripe.Webhook.construct_event(body, signature, self._secret, tolerance=_TOLERANCE_S)
        except (stripe.SignatureVerificationError, ValueError, KeyError, UnicodeDecodeError):
            received.inc("forged")
            raise NotGenuine("the signature is not Stripe's, or too old") from None
        if event.livemode != self._livemode:
            received.inc("other_mode")
            raise NotGenuine("the event is of the other mode (live or test)")
        new = await self._events.add([as_told(event)])
        reach("B5")
        received.inc("new" if new else "repeated")
        self._news.set()

    def wake(self) -> None:
        """There may be something to work."""
        self._news.set()

    async def run(self) -> None:
        """Work events, oldest due first, for ever."""
        while True:
            self._news.clear()
            try:
                while await self.work():
                    pass
            except CannotReach as error:
                log.warning("inbox_cannot_reach", reason=str(error))
            except Exception as error:  # noqa: BLE001 - the next round may do better
                log.error("inbox_failed", **told(error))  # noqa: TRY400 - told says what may be shown
            try:
                await asyncio.wait_for(self._news.wait(), _IDLE_S)
            except TimeoutError:
                continue

    async def work(self) -> int:
        """One round: how many events were looked at."""
        taken = await self._events.take(_AT_ONCE, _CLAIM_S)
        await asyncio.gather(*(self._one(event) for event in taken))
        return len(taken)

    async def _one(self, event: Told) -> None:
        reach("B6")
        try:
            await self._sync.event(event.type, event.object_id)
        except Misfit:
            # It stays as it is however often it is looked at; it was shouted about.
            await self._events.done(event.event_id)
        except (StripeAway, StripeRefused, CannotReach) as error:
            log.warning("event_later", type=event.type, reason=type(error).__name__)
            await self._events.again(event.event_id, type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one event must not stop the others
            log.error("event_failed", type=event.type, event_id=event.event_id, **told(error))  # noqa: TRY400
            await self._events.again(event.event_id, type(error).__name__)
        else:
            await self._events.done(event.event_id)


def as_told(event: stripe.Event) -> Told:
    """What is kept of an event: that something happened to an object, and when."""
    return Told(event.id, event.type, str(event.data.object["id"]), datetime.fromtimestamp(event.created, UTC))
