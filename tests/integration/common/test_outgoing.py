"""What the broker says of each message reaches the one who sent it, however many leave together."""

import asyncio
from collections.abc import AsyncIterator

import aiormq
import pytest
from aiormq import spec
from aiormq.exceptions import DeliveryError

from common.messaging import CannotReach
from common.messaging import outgoing as outgoing_module
from common.messaging.outgoing import Confirmation, Outgoing
from support.proxy import FaultProxy


@pytest.fixture
async def proxied(amqp_url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    proxy, url = await FaultProxy.before(amqp_url)
    yield proxy, url
    await proxy.stop()


@pytest.fixture
def proxy(proxied: tuple[FaultProxy, str]) -> FaultProxy:
    return proxied[0]


@pytest.fixture
async def channel(proxied: tuple[FaultProxy, str]) -> AsyncIterator[aiormq.Channel]:
    connection = await aiormq.connect(proxied[1])
    yield await connection.channel(publisher_confirms=True, on_return_raises=False)
    await connection.close()


async def a_queue(channel: aiormq.Channel, **arguments: object) -> str:
    declared = await channel.queue_declare("", exclusive=True, arguments=arguments)
    assert declared.queue is not None
    return declared.queue


def publish(
    outgoing: Outgoing, to: str, body: bytes, name: str, timeout_s: float = 10
) -> "asyncio.Task[Confirmation]":
    properties = spec.Basic.Properties(message_id=name, message_type="test", delivery_mode=1)
    return asyncio.create_task(
        outgoing.publish(
            body, exchange="", routing_key=to, properties=properties, mandatory=True, timeout_s=timeout_s
        )
    )


async def test_bodies_of_every_size_arrive_whole_and_in_order(channel) -> None:
    queue, outgoing = await a_queue(channel), Outgoing(channel)
    most = channel.max_content_size
    sizes = [0, 1, 900, most - 1, most, most + 1, 2 * most, 3 * most + 7] + [number * 31 for number in range(200)]
    bodies = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    said = await asyncio.gather(*(publish(outgoing, queue, body, f"m{i}") for i, body in enumerate(bodies)))
    assert all(isinstance(one, spec.Basic.Ack) for one in said)
    for number, body in enumerate(bodies):
        got = await channel.basic_get(queue, no_ack=True)
        assert (got.header.properties.message_id, got.body) == (f"m{number}", body)
        assert got.header.properties.message_type == "test"


async def test_a_message_nobody_wants_comes_back_to_its_sender_alone(channel) -> None:
    queue, outgoing = await a_queue(channel), Outgoing(channel)
    sent = {number: queue if number % 3 else "nowhere" for number in range(60)}
    said = await asyncio.gather(*(publish(outgoing, to, b"x", f"m{number}") for number, to in sent.items()))
    for number, one in enumerate(said):
        assert isinstance(one, spec.Basic.Ack) == (sent[number] == queue)
    assert {one.header.properties.message_id for one in said if not isinstance(one, spec.Basic.Ack)} == {
        f"m{number}" for number, to in sent.items() if to == "nowhere"
    }


async def test_a_full_queue_refuses_those_it_has_no_room_for(channel) -> None:
    queue = await a_queue(channel, **{"x-max-length": 5, "x-overflow": "reject-publish"})
    outgoing = Outgoing(channel)
    said = await asyncio.gather(
        *(publish(outgoing, queue, b"x", f"m{number}") for number in range(9)), return_exceptions=True
    )
    kinds = [type(one) for one in said]
    assert kinds == [spec.Basic.Ack] * 5 + [DeliveryError] * 4


async def test_a_word_that_came_too_late_is_not_taken_for_the_next_ones(channel, proxy) -> None:
    queue, outgoing = await a_queue(channel), Outgoing(channel)
    proxy.hang(True)
    early = [publish(outgoing, to, b"x", f"early {to}", timeout_s=0.3) for to in (queue, "nowhere")]
    for one in early:
        with pytest.raises(TimeoutError):
            await one
    proxy.hang(False)
    late = await asyncio.gather(*(publish(outgoing, to, b"x", f"late {to}") for to in ("nowhere", queue)))
    assert late[0].header.properties.message_id == "late nowhere"
    assert isinstance(late[1], spec.Basic.Ack)


async def test_a_lost_channel_is_told_at_once_to_all_who_wait(channel, proxy) -> None:
    queue, outgoing = await a_queue(channel), Outgoing(channel)
    proxy.hang(True)
    waiting = [publish(outgoing, queue, b"x", f"m{number}", timeout_s=60) for number in range(20)]
    await asyncio.sleep(0.1)
    proxy.cut()
    async with asyncio.timeout(5):
        said = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in said} == {ConnectionError}
    with pytest.raises(CannotReach):
        await publish(outgoing, queue, b"x", "after")


async def test_what_a_broker_that_stopped_reading_is_sent_has_a_bound(channel, proxy, monkeypatch) -> None:
    monkeypatch.setattr(outgoing_module, "MOST_UNANSWERED", 20)
    queue, outgoing = await a_queue(channel), Outgoing(channel)
    proxy.hang(True)
    said = await asyncio.gather(
        *(publish(outgoing, queue, b"x", f"m{number}", timeout_s=0.3) for number in range(50)), return_exceptions=True
    )
    assert [type(one) for one in said] == [TimeoutError] * 20 + [CannotReach] * 30
    with pytest.raises(CannotReach):
        await publish(outgoing, queue, b"x", "meanwhile")
    proxy.hang(False)
    async with asyncio.timeout(10):
        while channel.confirmations:
            await asyncio.sleep(0.02)
    assert isinstance(await publish(outgoing, queue, b"x", "afterwards"), spec.Basic.Ack)


async def test_a_sender_that_gives_up_leaves_its_neighbours_alone(channel) -> None:
    queue, outgoing = await a_queue(channel), Outgoing(channel)
    tasks = [publish(outgoing, queue, b"x", f"m{number}") for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    said = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in said] == [asyncio.CancelledError, spec.Basic.Ack] * 5
