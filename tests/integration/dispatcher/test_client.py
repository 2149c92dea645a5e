"""The client towards providers, against servers that close, stall, break off and overflow."""

import asyncio
import time
from collections.abc import AsyncIterator

import orjson
import pybase64
import pytest
import pytest_asyncio

from dispatcher.domain.failures import UpstreamFailed
from dispatcher.domain.jobs import Inline, Link
from dispatcher.upstreams.budget import MIB
from dispatcher.upstreams.client import Client
from support.orders import an_order, speaking
from support.origin import Origin, Reply, an_origin, answer, flood, promising

PICTURES = "/images/generations"
REFUSAL = orjson.dumps({"error": {"code": "moderation_blocked", "type": "image_generation_user_error"}})


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[Origin]:
    async with an_origin() as running:
        yield running


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


def picture(size: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(size) + b"IEND\xaeB`\x82"


def pictures(*items: dict[str, str], **other: str) -> bytes:
    return orjson.dumps({"created": 1, "data": items, **other})


def inline(size: int) -> bytes:
    return pictures({"b64_json": pybase64.b64encode_as_string(picture(size))})


def stale_when_used_again(body: bytes) -> Reply:
    """Answers once on each connection and breaks it when a second request comes, as if it had closed meanwhile."""
    used: set[asyncio.StreamWriter] = set()

    async def reply(writer: asyncio.StreamWriter) -> None:
        if writer in used:
            writer.transport.abort()
            return
        used.add(writer)
        await answer(200, body)(writer)

    return reply


def closing_soon(body: bytes) -> Reply:
    """Answers, and closes the idle connection 5 ms later without having said so."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        await answer(200, body)(writer)
        asyncio.get_running_loop().call_later(0.005, writer.close)

    return reply


def torn(status: int, body: bytes, *, then_hang: bool) -> Reply:
    """Announces more than comes."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: {len(body) + 100}\r\n\r\n".encode() + body)
        await writer.drain()
        if then_hang:
            await asyncio.sleep(60)
        writer.close()

    return reply


async def failure_of(client: Client, origin: Origin, reply: Reply) -> str:
    origin.on(PICTURES, reply)
    with pytest.raises(UpstreamFailed) as caught:
        await speaking("openai-images", client, origin.url).submit(an_order(), lambda: None)
    return caught.value.failure.kind.value


@pytest.mark.parametrize("closing", [stale_when_used_again, closing_soon])
async def test_a_submit_never_meets_a_connection_that_its_provider_closed(closing, client, origin):
    origin.on(PICTURES, closing(inline(100)))
    openai = speaking("openai-images", client, origin.url)
    for _ in range(40):
        assert (await openai.submit(an_order(), lambda: None)).outputs
        await asyncio.sleep(0.005)
    assert len(origin.seen) == 40
    assert origin.connections == 40


async def test_a_submit_with_hooks_has_its_own_connection_too(client, origin):
    origin.on("/contents/generations/tasks", stale_when_used_again(b'{"id":"task-1"}'))
    ark = speaking("ark-video", client, origin.url)
    left = []
    for _ in range(3):
        await ark.submit(an_order(), lambda: left.append(1))
    assert origin.connections == 3
    assert len(left) >= 3


@pytest.fixture
async def stalls(monkeypatch) -> list[float]:
    """How long this process stands still at each of the coming connects, once one has begun."""
    loop, lengths = asyncio.get_running_loop(), []
    connect = loop.sock_connect

    async def stalled(*arguments) -> None:
        if lengths:
            time.sleep(lengths.pop(0))  # noqa: ASYNC251 - nothing else may run, that is the point
        await connect(*arguments)

    monkeypatch.setattr(loop, "sock_connect", stalled)
    return lengths


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_that_this_process_stood_still_is_not_the_providers_failure(method, client, origin, stalls):
    url = origin.on("/well", answer(200, b"{}"))
    stalls.append(0.35)
    assert (await client.send(method, url, headers={}, timeout_s=5, connect_s=0.2)).status == 200
    assert len(origin.seen) == 1


async def test_a_process_that_stands_still_again_gives_up(client, origin, stalls):
    url = origin.on("/well", answer(200, b"{}"))
    stalls.extend([0.35, 0.35])
    with pytest.raises(UpstreamFailed) as caught:
        await client.send("POST", url, headers={}, timeout_s=5, connect_s=0.2)
    assert caught.value.failure.code == "connect"
    assert not origin.seen


async def test_an_address_that_does_not_answer_is_tried_once(client, monkeypatch):
    tries = []

    async def silence(*_arguments) -> None:
        tries.append(1)
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", silence)
    with pytest.raises(UpstreamFailed) as caught:
        await client.send("POST", "http://127.0.0.1:9/silent", headers={}, timeout_s=5, connect_s=0.2)
    assert caught.value.failure.kind.value == "unavailable"
    assert len(tries) == 1


async def test_polls_share_a_connection(client, origin):
    url = origin.on("/poll", answer(200, b"{}"))
    for _ in range(5):
        await client.send("GET", url, headers={}, timeout_s=1)
    assert origin.connections == 1


async def test_a_poll_over_a_stale_connection_is_simply_sent_again(client, origin):
    url = origin.on("/poll", stale_when_used_again(b"{}"))
    for _ in range(5):
        assert (await client.send("GET", url, headers={}, timeout_s=1)).status == 200


@pytest.mark.parametrize("then_hang", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b'{"error": {"message": "', "unavailable"),
        (503, b"", "unavailable"),
        (429, b"{", "rate_limited"),
        (401, b"{", "auth"),
        (400, b'{"error": {"code": "moder', "invalid_request"),
        (302, b"", "unavailable"),
    ],
)
async def test_a_failing_status_counts_whatever_becomes_of_its_body(status, body, kind, then_hang, client, origin):
    began = time.monotonic()
    assert await failure_of(client, origin, torn(status, body, then_hang=then_hang)) == kind
    assert time.monotonic() - began < 3  # not the order's 10


async def test_a_whole_refusal_is_read(client, origin):
    assert await failure_of(client, origin, answer(400, REFUSAL)) == "content_policy"


async def test_of_an_endless_refusal_only_the_start_is_read(client, origin):
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Said\r\nconnection: close\r\n\r\n")
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()

    assert await failure_of(client, origin, endless) == "unavailable"


async def test_a_result_cut_short_stays_ambiguous(client, origin):
    assert await failure_of(client, origin, promising(b'{"data":', 100)) == "ambiguous"


async def test_after_a_failing_poll_its_connection_is_used_again(client, origin):
    url = origin.on("/poll", answer(503, b"{}"))
    for _ in range(3):
        assert (await client.send("GET", url, headers={}, timeout_s=1)).status == 503
    assert origin.connections == 1


async def test_pictures_by_url_are_passed_on(client, origin):
    items = (
        {"url": "https://media.example/a.webp"},
        {"b64_json": "!", "url": "https://media.example/b"},
        {"url": ""},
    )
    origin.on(PICTURES, answer(200, pictures(*items, output_format="webp")))
    produced = await speaking("openai-images", client, origin.url).submit(an_order(outputs=3), lambda: None)
    assert produced.outputs == (
        Link("https://media.example/a.webp", "image/webp"),
        Link("https://media.example/b", "image/webp"),
    )


async def test_a_picture_inline_wins_over_its_url(client, origin):
    text = pybase64.b64encode_as_string(picture(9))
    origin.on(PICTURES, answer(200, pictures({"b64_json": text, "url": "https://media.example/a"})))
    produced = await speaking("openai-images", client, origin.url).submit(an_order(), lambda: None)
    assert produced.outputs == (Inline(picture(9), "image/png"),)


@pytest.mark.parametrize("sized", [True, False])
async def test_many_large_answers_all_arrive_within_the_budget(sized, origin):
    total = 16 * MIB
    client = await Client(large_answers_bytes=total).start()
    origin.on(PICTURES, answer(200, inline(6 * MIB), sized=sized))
    openai = speaking("openai-images", client, origin.url)
    submits = [asyncio.create_task(openai.submit(an_order(timeout_s=60), lambda: None)) for _ in range(12)]
    held = []
    while not all(one.done() for one in submits):
        held.append(client._budget.held_bytes)
        await asyncio.sleep(0.001)
    sizes = {len(one.result().outputs[0].body) for one in submits}
    await client.stop()
    assert sizes == {len(picture(6 * MIB))}
    assert 6 * MIB <= max(held) <= total  # how many are held at once is up to the machine


async def test_small_answers_pass_by_large_ones_that_stall(origin):
    client = await Client(large_answers_bytes=4 * MIB).start()
    stalling = origin.on("/large", promising(bytes(6 * MIB), 8 * MIB, then_hang=True))
    waiting = [
        asyncio.create_task(client.send("POST", stalling, headers={}, timeout_s=30, max_bytes=8 * MIB))
        for _ in range(3)
    ]
    while client._budget.held_bytes < 4 * MIB:
        await asyncio.sleep(0.01)
    url = origin.on("/small", answer(200, bytes(MIB - 1)))
    answers = [await client.send("GET", url, headers={}, timeout_s=1) for _ in range(5)]
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [len(one.body) for one in answers] == [MIB - 1] * 5
    assert client._budget.held_bytes == 0
    await client.stop()


async def test_a_large_answer_that_stands_still_is_given_up(origin):
    client = await Client(stall_s=0.1).start()
    url = origin.on("/large", promising(bytes(3 * MIB), 8 * MIB, then_hang=True))
    with pytest.raises(UpstreamFailed, match="ambiguous: timeout"):
        await client.send("POST", url, headers={}, timeout_s=30, max_bytes=8 * MIB)
    await client.stop()


@pytest.mark.parametrize("sized", [True, False])
async def test_an_answer_that_is_too_large_is_not_read(sized, client, origin):
    assert await failure_of(client, origin, flood(b"{", 30 * MIB, sized=sized)) == "failed_generation"
