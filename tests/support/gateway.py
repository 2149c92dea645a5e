"""A real gateway on real parts, with a billing that a test plays by hand."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import uvicorn

from common import clock
from common.contracts import (
    Credits,
    JobCancel,
    JobError,
    JobFinished,
    JobOverdue,
    JobRejected,
    JobReserved,
    JobSettled,
    JobSubmitted,
    Message,
    StoredOutput,
)
from common.database import Database
from common.messaging import Bus, Consumers, topology
from common.objects import ObjectStore, output_key
from common.sealing import rotate
from common.settings import ObjectStoreSettings
from gateway.accounts.repository import AccountRows
from gateway.app import make_app
from gateway.domain.api_keys import digest, make_key
from gateway.settings import Settings
from support.postgres import Postgres
from support.queues import empty
from support.stack import Stack

PRICE = 40_000
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001"
    "f61738550000000049454e44ae426082"
)
Answer = Callable[[JobSubmitted], Awaitable[list[Message]]]


def reserved(event: JobSubmitted) -> JobReserved:
    """A hold at a price of 40 credits."""
    now = clock.now()
    return JobReserved(
        job_id=event.job_id,
        account_id=event.account_id,
        model=event.model,
        kind=event.kind,
        mode=event.mode,
        outputs=event.outputs,
        parameters=event.parameters,
        epoch=event.epoch,
        sealed=event.sealed,
        price_microusd=PRICE,
        price_version=1,
        held_at=now,
        deadline_at=now + timedelta(milliseconds=event.deadline_ms),
        synchronous=event.synchronous,
        replica=event.replica,
    )


def rejected(event: JobSubmitted, code: str = "insufficient_quota") -> JobRejected:
    """A refusal."""
    return JobRejected(
        job_id=event.job_id,
        account_id=event.account_id,
        error=JobError(code=code, message="Not enough credits."),
        replica=event.replica,
        synchronous=event.synchronous,
    )


def settled(event: JobSubmitted, *, code: str | None = None, ttl_s: float = 3600) -> JobSettled:
    """A verdict: completed with one output, or refunded with this code."""
    outputs = () if code else (
        StoredOutput(
            index=0,
            key=output_key(event.job_id, 1, 0, "png"),
            media_type="image/png",
            bytes=len(PNG),
            sha256="00" * 32,
            expires_at=clock.now() + timedelta(seconds=ttl_s),
        ),
    )  # fmt: skip
    return JobSettled(
        job_id=event.job_id,
        account_id=event.account_id,
        status="failed" if code else "completed",
        credits=Credits(
            reserved_microusd=PRICE,
            charged_microusd=0 if code else PRICE,
            refunded_microusd=PRICE if code else 0,
        ),
        outputs=outputs,
        error=JobError(code=code, message="It did not work.") if code else None,
        settled_at=clock.now(),
        replica=event.replica,
        synchronous=event.synchronous,
    )


async def completes(event: JobSubmitted) -> list[Message]:
    """Hold and settle at once."""
    return [reserved(event), settled(event)]


@dataclass
class PlayedBilling:
    """What the gateway said to billing, and what billing says back."""

    bus: Bus
    answer: Answer = completes
    submitted: list[JobSubmitted] = field(default_factory=list)
    overdue: list[JobOverdue] = field(default_factory=list)
    cancelled: list[JobCancel] = field(default_factory=list)
    finished: list[JobFinished] = field(default_factory=list)

    def clear(self) -> None:
        """As new."""
        self.answer = completes
        for heard in (self.submitted, self.overdue, self.cancelled, self.finished):
            heard.clear()

    def about(self, job_id: UUID) -> list[JobSubmitted]:
        """Every submit of one job."""
        return [event for event in self.submitted if event.job_id == job_id]


@dataclass
class RunningGateway:
    """A gateway and everything around it."""

    url: str
    settings: Settings
    database: Database
    billing: PlayedBilling
    store: ObjectStore

    async def key(self, *, rate_per_minute: int | None = None, inflight: int | None = None) -> str:
        """A new account's key."""
        key = make_key()
        pepper = bytes.fromhex(self.settings.key_pepper.get_secret_value())
        await AccountRows(self.database).create(
            account_id=uuid4(),
            email="someone@example.org",
            rate_per_minute=rate_per_minute,
            inflight=inflight,
            api_key_id=uuid4(),
            key=key,
            digest=digest(key.secret, pepper),
        )
        return key.secret

    @asynccontextmanager
    async def client(self, key: str | None = None, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
        """Plain HTTP with a key."""
        headers = {"Authorization": f"Bearer {key or await self.key()}"}
        async with aiohttp.ClientSession(self.url, headers=headers, **options) as session:
            yield session

    async def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """What the gateway's tables hold."""
        return [dict(row) for row in await self.database.fetch(sql, params)]


def settings_for(database_url: str, amqp_url: str, s3: dict[str, str], keys: Path, **changes: Any) -> Settings:
    """Settings of a gateway on these parts."""
    given: dict[str, Any] = {
        "database_url": database_url,
        "AMQP_URL": amqp_url,
        "INTERNAL_TOKEN": "test-only-internal-token",
        "public_url": "http://127.0.0.1:1",
        "media_url": "http://127.0.0.1:1",
        "billing_url": "http://127.0.0.1:9",
        "sealing_keys_file": str(keys / "public.json"),
        "key_pepper": secrets.token_hex(32),
        "body_hash_key": secrets.token_hex(32),
        "media_signing_key": secrets.token_hex(32),
        "drain_s": 5,
        **s3,
    }
    return Settings(**{**given, **changes})


@asynccontextmanager
async def played_billing(amqp_url: str) -> AsyncIterator[PlayedBilling]:
    """Consumes everything that billing and the notifier would."""
    await empty(amqp_url, topology.BILLING_SUBMITTED, topology.BILLING_CONTROL, topology.NOTIFIER_FINISHED)
    bus = Bus(amqp_url, producer="billing", drain_s=2)
    billing = PlayedBilling(bus)
    on = Consumers()

    @on(topology.BILLING_SUBMITTED)
    async def _(event: JobSubmitted) -> list[Message]:
        billing.submitted.append(event)
        return await billing.answer(event)

    @on(topology.BILLING_CONTROL)
    async def _(event: JobOverdue) -> None:
        billing.overdue.append(event)

    @on(topology.BILLING_CONTROL)
    async def _(event: JobCancel) -> None:
        billing.cancelled.append(event)

    @on(topology.NOTIFIER_FINISHED)
    async def _(event: JobFinished) -> None:
        billing.finished.append(event)

    bus.include(on)
    await bus.start()
    async with asyncio.timeout(20):
        while not bus.ready:
            await asyncio.sleep(0.02)
    try:
        yield billing
    finally:
        await bus.stop()


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[str]:
    """A gateway over a real socket, in this loop."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        make_app(settings), http="httptools", lifespan="on", log_config=None, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{url}/readyz") as ready:
                        if ready.status == 200:
                            break
                assert not task.done(), "the gateway did not start"
                await asyncio.sleep(0.02)
        yield url
    finally:
        server.should_exit = True
        await task
        listening.close()


@asynccontextmanager
async def running_gateway(
    postgres: Postgres, broker: Stack, keys: Path, *, amqp_url: str | None = None, **changes: Any
) -> AsyncIterator[RunningGateway]:
    """One gateway, one played billing, one fresh database; ``amqp_url`` is the gateway's own way to the broker."""
    rotate(keys, clock.now())
    fresh = postgres.fresh_database("gateway")
    s3 = {name: value for name, value in broker.env.items() if name.startswith("S3_")}
    settings = settings_for(fresh.service_url, amqp_url or broker["AMQP_URL"], s3, keys, **changes)
    database = Database(fresh.service_url, 4)
    await database.start()
    store = ObjectStore(ObjectStoreSettings(**s3))
    await store.start()
    for bucket in (store.outputs, store.staging):
        await store.ensure_bucket(bucket)
    async with played_billing(broker["AMQP_URL"]) as billing, served(settings) as url:
        yield RunningGateway(url, settings, database, billing, store)
    await store.stop()
    await database.stop()
