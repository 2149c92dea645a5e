"""The simulator behind a real socket, Stripe's own SDK in front of it, and a receiver of its webhooks."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import stripe
from aiohttp import web

from simulators.serving import Stand, bind
from simulators.stripe import build

SECRET = "whsec_of_the_tests"


@dataclass
class Inbox:
    """What arrived at the webhook endpoint: bodies, signatures, and how each was answered."""

    url: str = ""
    received: list[tuple[bytes, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def genuine(self) -> list[stripe.Event]:
        """Every delivery that Stripe's own code accepts, in order of arrival."""
        events = []
        for body, signature in self.received:
            try:
                events.append(stripe.Webhook.construct_event(body, signature, SECRET, tolerance=300))
            except (stripe.SignatureVerificationError, ValueError):
                continue
        return events

    def types(self) -> list[str]:
        """Their types."""
        return [event.type for event in self.genuine()]


@dataclass
class Account:
    """One simulated account."""

    url: str
    client: stripe.StripeClient
    inbox: Inbox
    http: aiohttp.ClientSession

    async def dial(self, **dials: Any) -> None:
        async with self.http.put(f"{self.url}/__dials", json=dials) as answer:
            assert answer.status == 200, await answer.text()

    async def delivered(self, limit_s: float = 10) -> None:
        """Wait until every webhook has been delivered."""
        async with asyncio.timeout(limit_s):
            while True:
                async with self.http.get(f"{self.url}/__busy") as answer:
                    if (await answer.json())["deliveries"] == 0:
                        return
                await asyncio.sleep(0.02)

    async def browse(self, method: str, url: str, **form: str) -> tuple[int, str, str]:
        """One step of a browser: status, where it ended or is sent to, and the page."""
        async with self.http.request(method, url, data=form or None, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("location", str(answer.url)), await answer.text()

    async def pay(self, page: str, number: str = "4242 4242 4242 4242", **other: str) -> tuple[int, str, str]:
        """Fill in the Checkout page and press the button."""
        status, _, text = await self.browse("GET", page)
        assert status == 200
        assert {"email", "number", "expiry", "cvc", "name"} <= set(re.findall(r'name="(\w+)"', text))
        form = {"email": "a@example.org", "number": number, "expiry": "12/34", "cvc": "123", "name": "Ada", **other}
        return await self.browse("POST", page, **form)


@pytest_asyncio.fixture
async def inbox() -> AsyncIterator[Inbox]:
    box = Inbox()

    async def take(request: web.Request) -> web.Response:
        box.received.append((await request.read(), request.headers.get("stripe-signature", "")))
        return web.Response(status=box.statuses.pop(0) if box.statuses else 200)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    box.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield box
    await runner.cleanup()


@pytest_asyncio.fixture
async def account(inbox: Inbox) -> AsyncIterator[Account]:
    listening = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    simulator = build(url, webhook=(inbox.url, SECRET), retries_s=(0.05, 0.05, 0.05))
    stand = Stand.of([(simulator, listening)])
    await stand.open()
    transport = stripe.AIOHTTPClient(timeout=5)
    client = stripe.StripeClient(
        "sk_test_key", base_addresses={"api": url}, http_client=transport, max_network_retries=0
    )
    async with aiohttp.ClientSession() as http:
        yield Account(url, client, inbox, http)
    await transport.close_async()
    await stand.close()


@pytest.fixture
def _threads() -> Iterator[None]:
    yield
    assert threading.active_count() < 50
