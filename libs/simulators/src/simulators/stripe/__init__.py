"""Stripe: customers, prices, Checkout, subscriptions, invoices, refunds, disputes, portal, test clocks, webhooks."""

from simulators.stripe.cards import CARDS
from simulators.stripe.routes import SCENARIOS, build
from simulators.stripe.webhooks import sign

__all__ = ["CARDS", "SCENARIOS", "build", "sign"]
