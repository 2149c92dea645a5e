"""Only fal's own calls are believed to be fal's, also when its keys change."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from dispatcher.upstreams import fal_webhooks
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.fal_queue import FalQueue
from dispatcher.upstreams.protocol import Account, CallingBack
from simulators.fal.webhooks import Signer

BODY = b'{"request_id": "r", "status": "OK", "payload": null}'


class Keys:
    """Where keys are published; counts who asks."""

    def __init__(self) -> None:
        self.signers = [Signer("first")]
        self.asked = 0
        self.down = False

    async def show(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.down:
            return web.Response(status=503)
        return web.json_response({"keys": [one for signer in self.signers for one in signer.jwks["keys"]]})


@pytest_asyncio.fixture
async def keys() -> Keys:
    return Keys()


@pytest_asyncio.fixture
async def fal(keys: Keys) -> AsyncIterator[FalQueue]:
    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", keys.show)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = await Client().start()
    port = runner.addresses[0][1]
    yield FalQueue(client, Account("fal", f"http://127.0.0.1:{port}", "k", ()))
    await client.stop()
    await runner.cleanup()


def signed(signer: Signer, body: bytes = BODY) -> dict[str, str]:
    return {name.lower(): value for name, value in signer.headers("r", body).items()}


async def test_a_signed_call_is_genuine_and_the_keys_are_asked_for_once(fal: FalQueue, keys: Keys) -> None:
    assert isinstance(fal, CallingBack)
    assert await fal.genuine(signed(Signer("first")), BODY)
    assert await fal.genuine(signed(Signer("first"), b"{}"), b"{}")
    assert keys.asked == 1


@pytest.mark.parametrize(
    "forge",
    [
        lambda headers: {**headers, "x-fal-webhook-request-id": "another"},
        lambda headers: {**headers, "x-fal-webhook-user-id": "another"},
        lambda headers: {**headers, "x-fal-webhook-timestamp": str(int(time.time()) - 301)},
        lambda headers: {**headers, "x-fal-webhook-timestamp": "soon"},
        lambda headers: {**headers, "x-fal-webhook-signature": "00" * 64},
        lambda headers: {**headers, "x-fal-webhook-signature": "no hex"},
        lambda headers: {**headers, "x-fal-webhook-signature": "00"},
        lambda headers: {name: value for name, value in headers.items() if not name.endswith("signature")},
        lambda _: signed(Signer("a stranger")),
        lambda _: {},
    ],
)
async def test_a_forged_call_is_not(fal: FalQueue, forge: Any) -> None:
    assert not await fal.genuine(forge(signed(Signer("first"))), BODY)


async def test_an_old_call_is_not(fal: FalQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = signed(Signer("first"))
    later = time.time() + 301
    monkeypatch.setattr(fal_webhooks.time, "time", lambda: later)
    assert not await fal.genuine(headers, BODY)


async def test_another_body_is_not(fal: FalQueue) -> None:
    assert not await fal.genuine(signed(Signer("first")), BODY + b" ")


async def test_new_keys_are_found_but_strangers_do_not_make_us_knock(
    fal: FalQueue, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await fal.genuine(signed(Signer("first")), BODY)
    keys.signers = [Signer("second")]
    for _ in range(5):
        assert not await fal.genuine(signed(Signer("second")), BODY)
    assert keys.asked == 1, "the keys were asked for less than a minute ago"
    later = time.monotonic() + 61
    monkeypatch.setattr(fal_webhooks.time, "monotonic", lambda: later)
    assert await fal.genuine(signed(Signer("second")), BODY)
    assert not await fal.genuine(signed(Signer("first")), BODY)
    assert keys.asked == 2


async def test_while_the_keys_cannot_be_had_those_we_have_are_good(
    fal: FalQueue, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.down = True
    assert not await fal.genuine(signed(Signer("first")), BODY)
    keys.down = False
    later = time.monotonic() + 61
    monkeypatch.setattr(fal_webhooks.time, "monotonic", lambda: later)
    assert await fal.genuine(signed(Signer("first")), BODY)
    keys.down = True
    tomorrow = later + 25 * 3_600
    monkeypatch.setattr(fal_webhooks.time, "monotonic", lambda: tomorrow)
    assert await fal.genuine(signed(Signer("first")), BODY)
    assert keys.asked == 3
