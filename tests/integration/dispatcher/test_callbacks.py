"""Providers that call back: a call has the order asked about at once, and nothing of what it says is believed."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from common.catalogue import Catalogue, load
from common.catalogue.model import PollStep
from common.contracts import JobGenerated, UpstreamCalled
from dispatcher.callbacks import callback_routes
from dispatcher.running.addresses import Addresses
from support.dispatcher import RunningDispatcher, running_dispatcher
from support.postgres import FreshDatabase
from support.providers import Providers
from support.s3 import S3

MODELS = {"ark": "seedance-2.0", "vidu": "vidu-q3", "fal": "seedance-2.0", "replicate": "seedance-2.0"}
SIGNING = ("fal", "replicate")
RARELY = PollStep(from_age_ms=0, every_ms=600_000)


@dataclass
class Called:
    """A dispatcher that the providers can reach."""

    dispatcher: RunningDispatcher
    addresses: Addresses
    hints: list[UpstreamCalled] = field(default_factory=list)


@asynccontextmanager
async def reachable(database: FreshDatabase, s3: S3, keys: Path, environ: dict[str, str]) -> AsyncIterator[Called]:
    """Asked about by the clock only every ten minutes: what ends sooner ends because of a call."""
    models = [model.model_copy(update={"polling": (RARELY,)}) for model in load().models]
    listening = socket.create_server(("127.0.0.1", 0))
    settings = {
        "public_url": f"http://127.0.0.1:{listening.getsockname()[1]}",
        "callback_secret": "a secret of the tests",
    }
    async with running_dispatcher(database, s3, keys, environ, Catalogue(tuple(models)), **settings) as running:
        called = Called(running, Addresses(settings["public_url"], settings["callback_secret"].encode()))

        async def hint(message: Any) -> None:
            called.hints.append(message)

        app = FastAPI()
        app.include_router(callback_routes(called.addresses, running.parts.router, running.parts.runner, hint))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield called
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def called(database: FreshDatabase, s3: S3, keys: Path, providers: Providers) -> AsyncIterator[Called]:
    async with reachable(database, s3, keys, providers.environ(*MODELS)) as running:
        yield running


@pytest.mark.parametrize("provider", MODELS)
async def test_a_call_has_the_order_asked_about(
    database: FreshDatabase,
    s3: S3,
    keys: Path,
    providers: Providers,
    provider: str,
) -> None:
    """Also when it comes three times, with lies beside it."""
    providers.dial(provider, render_ms=300, forge=True, duplicates=3)
    async with reachable(database, s3, keys, providers.environ(provider)) as called:
        event = called.dispatcher.event(MODELS[provider], f"{provider}, call me")
        verdict = await called.dispatcher.verdict(await called.dispatcher.take(event))
        assert isinstance(verdict, JobGenerated)
        await asyncio.sleep(0.3)  # the rest of the calls
    (order,) = providers.calls(provider, f"{provider}, call me")
    assert order["status"] in {200, 201, 202}
    lies = [call["status"] for call in providers.calls(provider, operation="forged")]
    assert lies, "nobody lied"
    assert set(lies) == ({403} if provider in SIGNING else {204})


async def address_and_order(called: Called, providers: Providers) -> tuple[str, Any]:
    """The address that Ark was given for an order that never ends, and the order."""
    providers.dial("ark", "never_finishes")
    event = called.dispatcher.event("seedance-2.0", "call about this one")
    await called.dispatcher.take(event)
    async with asyncio.timeout(10):
        while not called.dispatcher.parts.runner.called(event.job_id, 1):
            await asyncio.sleep(0.01)
    (order,) = providers.calls("ark", "call about this one")
    return order["request"]["callback_url"], event


async def told(url: str, body: bytes = b"{}") -> int:
    async with aiohttp.ClientSession() as http, http.post(url, data=io.BytesIO(body)) as answer:
        return answer.status


async def test_only_addresses_that_were_given_are_known(called: Called, providers: Providers) -> None:
    address, event = await address_and_order(called, providers)
    assert address == called.addresses.of("ark", event.job_id, 1)
    assert await told(address) == 204
    swapped = "A" if address[-2] != "A" else "B"
    assert await told(address[:-2] + swapped + address[-1]) == 404
    assert await told(address[:-1]) == 404
    assert await told(address.replace("/ark/", "/vidu/")) == 404
    assert await told(address.rpartition("/")[0] + "/%00") == 404
    assert await told(address, b"x" * (1024 * 1024 + 1)) == 413
    # Ark's own first call may have come before its answer to the order was written down.
    assert set(called.hints) <= {UpstreamCalled(job_id=event.job_id, attempt_no=1)}


async def test_a_call_about_anothers_order_is_passed_on(called: Called) -> None:
    job_id = uuid4()
    assert await told(called.addresses.of("ark", job_id, 2)) == 204
    assert called.hints == [UpstreamCalled(job_id=job_id, attempt_no=2)]
    # Nobody who signs is believed without a signature, so nothing is passed on either.
    assert await told(called.addresses.of("fal", job_id, 1)) == 403
    assert await told(called.addresses.of("replicate", job_id, 1)) == 403
    assert len(called.hints) == 1
