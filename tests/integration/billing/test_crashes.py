"""Billing dies at each of its named places and starts again: every job is decided once, and everybody hears it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest

from common.contracts import JobReserved, JobSettled, Message
from common.messaging import Bus, Consumers, topology
from common.messaging.declaring import declare
from support.ledger import PRICE, Ledger, a_job, cancel, stored
from support.stack import until

HEARD_ON = (topology.DISPATCHER_RESERVED, topology.GATEWAY_SETTLED)
OURS = (topology.BILLING_SUBMITTED, topology.BILLING_RESULTS, topology.BILLING_CONTROL)


class Neighbours:
    """The gateway and the dispatcher: they publish, and keep what they hear."""

    def __init__(self, bus: Bus, heard: list[Message]) -> None:
        self.bus = bus
        self.heard = heard

    def of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.heard if isinstance(message, kind)]


@pytest.fixture
async def neighbours(amqp_url: str) -> AsyncIterator[Neighbours]:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await declare(channel)
        for queue in (*HEARD_ON, *OURS, topology.GATEWAY_DECISIONS):
            await (await channel.get_queue(queue.name)).purge()
    heard: list[Message] = []
    on = Consumers()

    @on(topology.DISPATCHER_RESERVED)
    async def reserved(message: JobReserved) -> None:
        heard.append(message)

    @on(topology.GATEWAY_SETTLED)
    async def settled(message: JobSettled) -> None:
        heard.append(message)

    bus = Bus(amqp_url, producer="test", drain_s=5)
    bus.include(on)
    await bus.start()
    await until(lambda: bus.ready)
    yield Neighbours(bus, heard)
    await bus.stop()


@asynccontextmanager
async def billing(ledger: Ledger, amqp_url: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process; stopped as a supervisor stops it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "billing", "serve"),
        env={
            "PATH": os.environ["PATH"],
            "BILLING_DATABASE_URL": ledger.urls.service_url,
            "AMQP_URL": amqp_url,
            "INTERNAL_TOKEN": "0123456789abcdef",
            "BILLING_PORT": "0",
            "BILLING_SWEEP_EVERY_S": "0.2",
            "BILLING_EXPIRE_AFTER_DEADLINE_S": "0.001",
            **environment,
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) in (0, -signal.SIGTERM)


async def dies(process: asyncio.subprocess.Process) -> None:
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL


@pytest.mark.parametrize("place", ["B1", "B2", "B3", "B4"])
async def test_a_hold_survives_a_crash(ledger: Ledger, neighbours: Neighbours, amqp_url: str, place: str) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    jobs = [a_job(account) for _ in range(5)]
    async with billing(ledger, amqp_url, CRASH_AT=f"{place}:1") as process:
        await asyncio.gather(*(neighbours.bus.publish(job) for job in jobs))
        await dies(process)
    async with billing(ledger, amqp_url):
        await until(lambda: {job.job_id for job in jobs} <= {one.job_id for one in neighbours.of(JobReserved)})
    assert await ledger.pots(account) == (0, 0, 5 * PRICE, 5 * PRICE)


@pytest.mark.parametrize("place", ["B1", "B2", "B3", "B4"])
async def test_a_capture_survives_a_crash(ledger: Ledger, neighbours: Neighbours, amqp_url: str, place: str) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    jobs = [a_job(account) for _ in range(5)]
    await asyncio.gather(*(ledger.hold(job) for job in jobs))
    async with billing(ledger, amqp_url, CRASH_AT=f"{place}:1") as process:
        await asyncio.gather(*(neighbours.bus.publish(stored(job, 1)) for job in jobs))
        await dies(process)
    async with billing(ledger, amqp_url):
        await until(lambda: {job.job_id for job in jobs} <= {one.job_id for one in neighbours.of(JobSettled)})
    assert {one.status for one in neighbours.of(JobSettled)} == {"completed"}
    assert await ledger.pots(account) == (0, 0, 5 * PRICE, 0)


@pytest.mark.parametrize("place", ["B3", "B4"])
async def test_a_cancel_survives_a_crash(ledger: Ledger, neighbours: Neighbours, amqp_url: str, place: str) -> None:
    account = await ledger.account(microusd=PRICE)
    job = a_job(account)
    await ledger.hold(job)
    async with billing(ledger, amqp_url, CRASH_AT=f"{place}:1") as process:
        await neighbours.bus.publish(cancel(job))
        await dies(process)
    async with billing(ledger, amqp_url):
        await until(lambda: neighbours.of(JobSettled))
    assert await ledger.pots(account) == (0, 0, PRICE, 0)


@pytest.mark.parametrize("place", ["B7", "B4"])
async def test_an_expiry_survives_a_crash(ledger: Ledger, neighbours: Neighbours, amqp_url: str, place: str) -> None:
    """No message will come again to remind us: the mark in the row does."""
    account = await ledger.account(microusd=PRICE)
    async with billing(ledger, amqp_url, CRASH_AT=f"{place}:1") as process:
        if place == "B4":
            # The first B4 would be the hold's own: let the hold be there before.
            await _hold_that_expires(ledger, account)
        else:
            await neighbours.bus.publish(a_job(account, deadline_ms=1))
        await dies(process)
    assert await ledger.pots(account) == (0, 0, PRICE, 0)
    before = len(neighbours.of(JobSettled))
    async with billing(ledger, amqp_url):
        await until(lambda: len(neighbours.of(JobSettled)) > before)
        await until(lambda: _nothing_to_publish(ledger))


async def test_billing_starts_before_its_database_is_migrated_and_its_broker_is_there(ledger: Ledger) -> None:
    """It waits, answers /healthz meanwhile, and stops when it is told to."""
    away = {"BILLING_DATABASE_URL": "postgresql://reapi_billing:x@127.0.0.1:1/nowhere"}
    async with billing(ledger, "amqp://127.0.0.1:1", **away) as process:
        await asyncio.sleep(2)
        assert process.returncode is None


async def _hold_that_expires(ledger: Ledger, account) -> None:
    job = a_job(account, deadline_ms=1)
    async with ledger.replicas(1) as (other,):
        other.holds._expire_after_s = 0.001
        await other.hold(job)


async def _nothing_to_publish(ledger: Ledger) -> bool:
    rows = await ledger.database.fetch("select 1 from reservations where publish_due_at is not null")
    return not rows
