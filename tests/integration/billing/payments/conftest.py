"""Billing over a real database, Stripe's stand-in behind a real socket, and customers who pay on its pages."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from billing.payments import offers
from billing.payments.inbox import Inbox
from billing.payments.parts import Payments
from billing.payments.routes import webhook_api
from billing.payments.stripe_client import StripeAway
from billing.settings import BillingSettings
from common.ids import new_id
from simulators import stripe as simulator
from simulators.dials import Setting
from simulators.serving import Stand, bind
from support.ledger import Ledger

SECRET = "whsec_of_the_tests_and_long"
CARD = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"


@dataclass
class Shop:
    """Everything that takes part in a purchase."""

    ledger: Ledger
    payments: Payments
    stripe_url: str
    webhook_url: str
    http: aiohttp.ClientSession
    stand: Any

    @property
    def inbox(self) -> Inbox:
        return self.payments.inbox

    async def dial(self, **dials: Any) -> None:
        """Turn Stripe's dials."""
        async with self.http.put(f"{self.stripe_url}/__dials", json=dials) as answer:
            assert answer.status == 200, await answer.text()

    async def order(self, kind: str = "package", offer: str = "credits-10", account: UUID | None = None) -> "Bought":
        """A customer on the page of a new order."""
        account, order_id = account or new_id(), new_id()
        asked: Any = {
            "order_id": order_id,
            "account_id": account,
            "email": "ada@example.org",
            "kind": kind,
            "offer_id": offer,
            "success_url": "http://shop.example/done",
            "cancel_url": "http://shop.example/back",
        }
        _, url = await insisted(lambda: self.payments.selling.order(**asked))
        assert url is not None
        return Bought(self, account, order_id, url)

    async def bought(self, offer: str = "credits-10", account: UUID | None = None) -> "Bought":
        """A package, paid and booked."""
        bought = await self.order("package", offer, account)
        await bought.pay()
        await self.settled()
        return bought

    async def subscribed(self, plan: str = "starter", account: UUID | None = None) -> "Bought":
        """A plan, paid and booked."""
        bought = await self.order("plan", plan, account)
        await bought.pay()
        await self.settled()
        return bought

    async def settled(self, limit_s: float = 20) -> None:
        """Wait until every webhook is delivered, and work what came."""
        async with asyncio.timeout(limit_s):
            while True:
                async with self.http.get(f"{self.stripe_url}/__busy") as answer:
                    if (await answer.json())["deliveries"] == 0:
                        break
                await asyncio.sleep(0.01)
        while await self.inbox.work():
            pass

    async def brought_cents(self, account: UUID) -> float:
        """What came in from outside for an account, in cents."""
        rows = await self.ledger.database.fetch(
            """
            select coalesce(-sum(e.amount_microusd), 0) / 10000.0 as cents from entries e
            join transactions t using (transaction_id) where t.account_id = %(account)s and e.purpose = 'outside'
            """,
            {"account": account},
        )
        return float(rows[0]["cents"])


async def insisted(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to a question that may be repeated, as a customer whose browser says 'try again' repeats it."""
    for _ in range(20):
        with contextlib.suppress(StripeAway):
            return await ask()
    raise AssertionError("Stripe stayed away")


@dataclass
class Bought:
    """One order and its page."""

    shop: Shop
    account: UUID
    order_id: UUID
    url: str

    async def pay(self, number: str = CARD) -> int:
        """Fill in the page; the status of what came of it."""
        form = {"email": "ada@example.org", "number": number, "expiry": "12/34", "cvc": "123", "name": "Ada"}
        async with self.shop.http.post(self.url, data=form, allow_redirects=False) as answer:
            text = await answer.text()
            location = answer.headers.get("location", "")
        if "/3ds/" in location:
            async with self.shop.http.post(location, data={"answer": "complete"}, allow_redirects=False) as bank:
                return bank.status
        assert answer.status != 402 or re.search(r'id="error"', text)
        return answer.status

    async def state(self) -> str:
        found = await self.shop.payments.orders.find(self.order_id)
        assert found is not None
        return found.state


@asynccontextmanager
async def a_shop(ledger: Ledger, **setting: Any) -> AsyncIterator[Shop]:
    """A shop whose webhooks are delivered to a server of its own."""
    stripe_socket, hook_socket = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    stripe_url = f"http://127.0.0.1:{stripe_socket.getsockname()[1]}"
    webhook_url = f"http://127.0.0.1:{hook_socket.getsockname()[1]}/stripe/webhook"
    stand = Stand.of(
        [
            (
                simulator.build(
                    stripe_url, Setting(**setting), webhook=(webhook_url, SECRET), retries_s=(0.05, 0.1, 0.2, 0.4)
                ),
                stripe_socket,
            )
        ]
    )
    await stand.open()
    settings = BillingSettings.model_validate(
        {
            "database_url": ledger.urls.service_url,
            "AMQP_URL": "amqp://unused",
            "INTERNAL_TOKEN": "token-of-the-tests",
            "STRIPE_API_KEY": "sk_test_shop",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": stripe_url,
        }
    )
    payments = Payments.of(settings, ledger.database, offers.load())
    app = FastAPI()
    app.include_router(webhook_api(payments))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve(sockets=[hook_socket]))
    async with aiohttp.ClientSession() as http:
        yield Shop(ledger, payments, stripe_url, webhook_url, http, stand)
    server.should_exit = True
    await serving
    hook_socket.close()
    await payments.client.stop()
    await stand.close()


@pytest_asyncio.fixture
async def shop(ledger: Ledger) -> AsyncIterator[Shop]:
    async with a_shop(ledger) as open_shop:
        yield open_shop
