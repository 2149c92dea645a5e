"""The bus on a real RabbitMQ: nothing is acknowledged before its answer is confirmed, nothing is lost."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
import psycopg
import pytest

from common.contracts import JobCancel, JobError, JobOverdue, JobRejected
from common.ids import new_id
from common.messaging import Bus, CannotReach, CannotWork, Consumers, TryLater, consuming, topology
from common.messaging.declaring import declare
from common.messaging.wire import encode
from support.logs import heard
from support.proxy import FaultProxy


def an_overdue() -> JobOverdue:
    return JobOverdue(job_id=new_id(), account_id=new_id(), replica="r", synchronous=True)


def a_rejection(of: JobOverdue) -> JobRejected:
    return JobRejected(
        job_id=of.job_id, account_id=of.account_id, error=JobError(code="x", message="y"), replica="r",
        synchronous=True,
    )  # fmt: skip


@asynccontextmanager
async def a_bus(url: str, *consumers: Consumers) -> AsyncIterator[Bus]:
    bus = Bus(url, producer="test", drain_s=5)
    for one in consumers:
        bus.include(one)
    await bus.start()
    await until(lambda: bus.ready)
    try:
        yield bus
    finally:
        await bus.stop()


async def until(holds: Callable[[], bool | Awaitable[bool]], limit_s: float = 30) -> None:
    async with asyncio.timeout(limit_s):
        while True:
            result = holds()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.02)


async def depth(url: str, queue: str) -> int:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        declared = await channel.get_queue(queue)
        return declared.declaration_result.message_count or 0


@pytest.fixture(autouse=True)
async def empty_queues(amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await declare(channel)
        for queue in topology.QUEUES:
            await (await channel.get_queue(queue.name)).purge()
            await (await channel.get_queue(queue.dead)).purge()


async def test_an_answer_is_routed_by_its_type(amqp_url: str) -> None:
    on, answered = Consumers(), asyncio.Queue[JobRejected]()

    @on(topology.BILLING_CONTROL)
    async def ask(event: JobOverdue) -> JobRejected:
        return a_rejection(event)

    @on(topology.GATEWAY_DECISIONS)
    async def hear(event: JobRejected) -> None:
        await answered.put(event)

    async with a_bus(amqp_url, on) as bus:
        sent = [an_overdue() for _ in range(300)]
        await asyncio.gather(*(bus.publish(one) for one in sent))
        heard = [await asyncio.wait_for(answered.get(), 10) for _ in sent]
        assert {one.job_id for one in heard} == {one.job_id for one in sent}

        async def drained() -> bool:
            return await depth(amqp_url, "billing.control") == 0

        await until(drained)
    # Everything was acknowledged: nothing comes back to a new consumer.
    again = Consumers()
    seen: list[JobOverdue] = []

    @again(topology.BILLING_CONTROL)
    async def unexpected(event: JobOverdue) -> None:
        seen.append(event)

    async with a_bus(amqp_url, again):
        await asyncio.sleep(0.5)
    assert seen == []


async def test_what_cannot_be_reached_is_tried_again_and_shown_as_not_ready(amqp_url: str) -> None:
    on, away, done = Consumers(), asyncio.Event(), asyncio.Event()
    tries = 0

    @on(topology.BILLING_CONTROL)
    async def ask(_: JobOverdue) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            away.set()
            raise CannotReach("database")
        done.set()

    async with a_bus(amqp_url, on) as bus:
        await bus.publish(an_overdue())
        await away.wait()
        await until(lambda: not bus.ready)
        await asyncio.wait_for(done.wait(), 10)
        await until(lambda: bus.ready)
    assert tries == 4


async def test_later_comes_back_after_its_tier(amqp_url: str) -> None:
    on, done = Consumers(), asyncio.Event()
    times: list[float] = []

    @on(topology.BILLING_CONTROL)
    async def ask(_: JobOverdue) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise TryLater("not yet", after_ms=800)
        done.set()

    async with a_bus(amqp_url, on) as bus:
        await bus.publish(an_overdue())
        await asyncio.wait_for(done.wait(), 15)
    assert times[1] - times[0] >= 0.9


async def test_poison_goes_to_the_dead_letters_and_its_neighbours_do_not_notice(amqp_url: str) -> None:
    on = Consumers()
    worked: list[JobOverdue] = []

    @on(topology.BILLING_CONTROL)
    async def ask(event: JobOverdue) -> None:
        worked.append(event)

    @on(topology.BILLING_RESULTS)
    async def impossible(event: JobCancel) -> None:
        raise CannotWork("impossible ids")

    async with a_bus(amqp_url, on) as bus:
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            jobs = await channel.get_exchange(topology.JOBS)
            for n, body in enumerate([b"", b"{", b'{"type":"x"}', b"[" * 5_000, encode(
                a_rejection(an_overdue()), producer="t", traceparent=None)]):  # fmt: skip
                await jobs.publish(aio_pika.Message(body, message_id=f"poison{n}"), routing_key=JobOverdue.TYPE)
        good = [an_overdue() for _ in range(50)]
        await asyncio.gather(*(bus.publish(one) for one in good))
        await until(lambda: len(worked) == 50)

        async def buried() -> bool:
            return await depth(amqp_url, "billing.control.dead") == 5

        await until(buried)
    assert await depth(amqp_url, "billing.control") == 0


async def test_a_handler_that_raises_the_unforeseen_loses_nothing(amqp_url: str) -> None:
    on, done = Consumers(), asyncio.Event()
    tries = 0

    @on(topology.BILLING_CONTROL)
    async def ask(_: JobOverdue) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        done.set()

    async with a_bus(amqp_url, on) as bus:
        await bus.publish(an_overdue())
        await asyncio.wait_for(done.wait(), 15)
    assert tries == 2


async def test_a_databases_error_is_logged_without_what_it_quotes(amqp_url: str, monkeypatch) -> None:
    lines = heard(monkeypatch, consuming)
    on, done = Consumers(), asyncio.Event()
    tries = 0

    @on(topology.BILLING_CONTROL)
    async def ask(_: JobOverdue) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise psycopg.errors.UniqueViolation("duplicate key\nDETAIL:  Key (email)=(canary-in-a-row) exists.")
        done.set()

    async with a_bus(amqp_url, on) as bus:
        await bus.publish(an_overdue())
        await asyncio.wait_for(done.wait(), 15)
    said = lines.getvalue()
    assert "handler_failed" in said
    assert "UniqueViolation" in said
    assert "canary" not in said


async def test_work_outlives_its_connection_and_the_redelivery_joins_it(amqp_url: str) -> None:
    on, began, finish = Consumers(), asyncio.Event(), asyncio.Event()
    runs, finished = 0, 0

    @on(topology.BILLING_CONTROL)
    async def ask(_: JobOverdue) -> None:
        nonlocal runs, finished
        runs += 1
        began.set()
        await finish.wait()
        finished += 1

    proxy, proxied_url = await FaultProxy.before(amqp_url)
    async with a_bus(proxied_url, on) as bus:
        await bus.publish(an_overdue())
        await began.wait()
        proxy.cut()
        await until(lambda: not bus.connected)
        await until(lambda: bus.connected)
        await asyncio.sleep(0.5)
        finish.set()

        async def settled() -> bool:
            return finished == 1 and await depth(amqp_url, "billing.control") == 0

        await until(settled)
        await asyncio.sleep(0.5)
    await proxy.stop()
    assert runs == 1


async def test_publishing_while_the_broker_is_away_says_that_nothing_was_written(amqp_url: str) -> None:
    bus = Bus("amqp://guest:guest@127.0.0.1:1/", producer="test", drain_s=1)
    await bus.start()
    with pytest.raises(CannotReach):
        await bus.publish(an_overdue(), timeout_s=0.3)
    await bus.stop()


def connections_left_open() -> int:
    return sum(isinstance(one, aio_pika.RobustConnection) and not one.is_closed for one in gc.get_objects())


async def test_every_connection_that_does_not_come_about_is_closed() -> None:
    gc.collect()
    before = connections_left_open()
    gc.disable()  # what is dropped stays to be seen
    try:
        bus = Bus("amqp://guest:guest@127.0.0.1:1/", producer="test", drain_s=1)
        await bus.start()
        await asyncio.sleep(1.2)
        assert connections_left_open() - before <= 1  # one may be trying at this moment
        await bus.stop()
        assert connections_left_open() == before
    finally:
        gc.enable()


async def test_a_connection_cut_before_its_first_channel_is_closed_and_the_next_one_serves(amqp_url: str) -> None:
    proxy, proxied_url = await FaultProxy.before(amqp_url)
    proxy.hang(True)
    before = connections_left_open()
    bus = Bus(proxied_url, producer="test", drain_s=1)
    await bus.start()
    await until(lambda: proxy.connections > 0)
    proxy.cut()
    proxy.hang(False)
    await until(lambda: bus.ready, 10)
    assert connections_left_open() == before + 1
    await bus.stop()
    assert connections_left_open() == before
    await proxy.stop()


async def test_a_broker_that_is_there_is_connected_to_at_once(amqp_url: str) -> None:
    began = asyncio.get_running_loop().time()
    async with a_bus(amqp_url):
        assert asyncio.get_running_loop().time() - began < 2


async def test_the_broker_holds_what_the_topology_says(amqp_url: str) -> None:
    """M4: declaring with any other argument is refused by the broker, so it holds exactly these."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        for queue in topology.QUEUES:
            channel = await connection.channel()
            with pytest.raises(aio_pika.exceptions.ChannelPreconditionFailed):
                await channel.declare_queue(queue.name, durable=True, arguments={"x-queue-type": "quorum"})
