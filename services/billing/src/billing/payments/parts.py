"""Payments, put together; only where Stripe is configured."""

import asyncio
from dataclasses import dataclass

from billing.payments.inbox import Inbox
from billing.payments.offers import Offers
from billing.payments.reconciler import Reconciler
from billing.payments.selling import Selling
from billing.payments.stripe_client import StripeAway, StripeClient, StripeRefused
from billing.payments.sync import Sync
from billing.payments.topping_up import ToppingUp
from billing.repository.moves import Moves
from billing.repository.payments import Orders, StripeEvents
from billing.repository.topups import TopUps
from billing.settings import BillingSettings
from common import telemetry
from common.database import Database

_PREPARE_AGAIN_S = 2.0

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Payments:
    """Everything that talks to Stripe."""

    client: StripeClient
    events: StripeEvents
    orders: Orders
    inbox: Inbox
    reconciler: Reconciler
    selling: Selling
    sync: Sync
    topping_up: ToppingUp

    async def prepare(self) -> None:
        """Have at Stripe what must be there, however long it is away."""
        while True:
            try:
                await self.selling.prepare()
            except (StripeAway, StripeRefused) as error:
                log.warning("stripe_not_prepared", reason=type(error).__name__)
                await asyncio.sleep(_PREPARE_AGAIN_S)
            else:
                return

    @classmethod
    def of(cls, settings: BillingSettings, database: Database, offers: Offers) -> "Payments":
        """As the settings say; they have seen to it that there is a secret."""
        client = StripeClient(settings.stripe_api_key.get_secret_value(), settings.stripe_api_base)
        events, orders, moves = StripeEvents(database), Orders(database), Moves(database)
        sync = Sync(client, orders, moves, offers)
        inbox = Inbox(events, sync, settings.stripe_webhook_secret.get_secret_value(), livemode=client.livemode)
        return cls(
            client,
            events,
            orders,
            inbox,
            Reconciler(client, events, orders, moves, sync, inbox),
            Selling(client, orders, sync, offers, tax=settings.stripe_tax),
            sync,
            ToppingUp(client, orders, TopUps(database), sync, offers),
        )
