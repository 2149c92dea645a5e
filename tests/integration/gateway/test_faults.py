"""When something is away, late or contradictory: nobody who is told 5xx is ever charged."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import pybase64
import pytest
import pytest_asyncio
from psycopg.errors import CheckViolation

from common.contracts import JobSubmitted, Message
from common.ids import parse_public_id
from common.objects import output_key
from support.gateway import PNG, RunningGateway, completes, reserved, running_gateway, settled
from support.postgres import Postgres
from support.proxy import FaultProxy
from support.stack import Stack, until

IMAGE = {"model": "gpt-image-2", "prompt": "a lighthouse"}
VIDEO = {"model": "seedance-2.0", "prompt": "waves"}


@pytest_asyncio.fixture(scope="module")
async def faulty(
    postgres: Postgres, broker: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[RunningGateway, FaultProxy]]:
    proxy, url = await FaultProxy.before(broker["AMQP_URL"])
    keys: Path = tmp_path_factory.mktemp("keys")
    settings = {"sweep_s": 0.2, "synchronous_limit_s": 2, "cancel_wait_s": 0.3, "decision_wait_s": 1}
    async with running_gateway(postgres, broker, keys, amqp_url=url, **settings) as running:
        yield running, proxy
    await proxy.stop()


@pytest.fixture
def gateway(faulty: tuple[RunningGateway, FaultProxy]) -> RunningGateway:
    faulty[0].billing.clear()
    return faulty[0]


@pytest.fixture
def proxy(faulty: tuple[RunningGateway, FaultProxy]) -> FaultProxy:
    return faulty[1]


async def silent(event: JobSubmitted) -> list[Message]:
    return []


async def test_with_the_broker_away_a_request_is_refused_within_moments_and_its_key_is_free(
    gateway: RunningGateway, proxy: FaultProxy
) -> None:
    headers = {"Idempotency-Key": "away"}
    async with gateway.client() as session:
        proxy.refuse(True)
        proxy.cut()
        await asyncio.sleep(0.1)
        async with asyncio.timeout(4), session.post("/v1/images/generations", json=IMAGE, headers=headers) as answer:
            body = await answer.json()
            assert (answer.status, body["error"]["code"]) == (503, "service_unavailable")
            assert answer.headers["retry-after"] == "1"
        rows = await gateway.rows("select state, idempotency_hash from jobs order by created_at desc limit 1")
        assert rows == [{"state": "abandoned", "idempotency_hash": None}]
        proxy.refuse(False)
        async with asyncio.timeout(20):
            while True:
                async with session.post("/v1/images/generations", json=IMAGE, headers=headers) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.2)


async def test_a_hold_for_an_abandoned_job_is_cancelled(gateway: RunningGateway) -> None:
    gateway.billing.answer = silent
    async with gateway.client() as session, session.post("/v1/videos", json=VIDEO) as answer:
        assert answer.status == 200
    event = gateway.billing.submitted[0]
    await gateway.rows(
        "update jobs set state = 'abandoned', finished_at = now() where job_id = %(job)s returning 1",
        job=event.job_id,
    )
    await gateway.billing.bus.publish(reserved(event))
    await until(lambda: gateway.billing.cancelled, 5)
    assert (gateway.billing.cancelled[0].job_id, gateway.billing.cancelled[0].reason) == (event.job_id, "abandoned")


async def refund_on_cancel(gateway: RunningGateway, event: JobSubmitted) -> None:
    await until(lambda: any(one.job_id == event.job_id for one in gateway.billing.cancelled), 10, 0.02)
    await gateway.billing.bus.publish(settled(event, code="cancelled"))


async def test_at_the_limit_a_synchronous_job_is_cancelled_and_no_sdk_repeats_it(gateway: RunningGateway) -> None:
    refunding: list[asyncio.Task[None]] = []

    async def slow(event: JobSubmitted) -> list[Message]:
        refunding.append(asyncio.create_task(refund_on_cancel(gateway, event)))
        return []

    gateway.billing.answer = slow
    async with gateway.client() as session, session.post("/v1/images/generations", json=IMAGE) as answer:
        body = await answer.json()
        assert (answer.status, body["error"]["code"]) == (504, "timed_out")
        assert answer.headers["x-should-retry"] == "false"
        task = answer.headers["x-task-id"]
        assert task in body["error"]["message"]
    assert [(one.job_id, one.reason) for one in gateway.billing.cancelled] == [(parse_public_id(task), "timed_out")]
    await asyncio.gather(*refunding)


async def test_without_a_verdict_at_the_limit_nobody_is_told_5xx_for_what_may_be_charged(
    gateway: RunningGateway,
) -> None:
    gateway.billing.answer = silent
    async with gateway.client() as session:
        async with session.post("/v1/images/generations", json=IMAGE) as answer:
            body = await answer.json()
            assert (answer.status, body["error"]["code"]) == (409, "still_running")
            assert answer.headers["x-should-retry"] == "false"
            task = answer.headers["x-task-id"]
        # The cancel came too late: the job is captured, and the task says so.
        await gateway.billing.bus.publish(settled(gateway.billing.submitted[0]))
        await until_state(gateway, task, "completed")
        async with session.get(f"/v1/tasks/{task}") as answer:
            assert (await answer.json())["credits"]["charged"] == 40


async def test_an_asynchronous_answer_does_not_wait_for_a_slow_decision(gateway: RunningGateway) -> None:
    gateway.billing.answer = silent
    async with gateway.client() as session, asyncio.timeout(3):
        async with session.post("/api/v1/videos/generations", json=VIDEO) as answer:
            assert (answer.status, (await answer.json())["status"]) == (202, "processing")


async def test_a_repeat_that_takes_a_job_over_is_not_undone_by_the_first_try_giving_up(
    gateway: RunningGateway, proxy: FaultProxy
) -> None:
    """The first try cannot reach the broker; the repeat takes its row over and can, a moment later."""
    headers = {"Idempotency-Key": "taken over"}
    async with gateway.client() as session:

        async def submit() -> tuple[int, dict[str, Any]]:
            async with session.post("/api/v1/images/generations", json=IMAGE, headers=headers) as answer:
                return answer.status, await answer.json()

        proxy.refuse(True)
        proxy.cut()
        await asyncio.sleep(0.1)
        first = asyncio.create_task(submit())
        await asyncio.sleep(1.2)
        second = asyncio.create_task(submit())
        await asyncio.sleep(1.2)
        assert not second.done()
        proxy.refuse(False)
        told = await asyncio.gather(first, second)
        assert {status for status, _ in told} <= {200, 202}, told
        assert len({body["id"] for _, body in told}) == 1
        await until_state(gateway, told[0][1]["id"], "completed", limit_s=20)
        status, body = await submit()
        assert (status, body["id"]) == (200, told[0][1]["id"])
    assert len({event.job_id for event in gateway.billing.submitted}) == 1


async def test_an_answer_cut_off_in_the_middle_can_be_adopted(gateway: RunningGateway) -> None:
    """The client takes the head of a large answer and hangs up: its repeat gets the same job."""
    picture = PNG + bytes(6_000_000)

    async def large(event: JobSubmitted) -> list[Message]:
        await gateway.store.put(
            gateway.store.outputs, output_key(event.job_id, 1, 0, "png"), picture, "image/png", only_new=False
        )
        return await completes(event)

    gateway.billing.answer = large
    key = await gateway.key()
    body = orjson.dumps({**IMAGE, "response_format": "b64_json"})
    address = urlsplit(gateway.url)
    hasty = socket.socket()
    hasty.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    hasty.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(hasty, (address.hostname, address.port))
    head = f"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    await loop.sock_sendall(hasty, head.encode() + body)
    assert b"200 OK" in await loop.sock_recv(hasty, 1000)
    await asyncio.sleep(0.5)
    hasty.close()
    job_id = gateway.billing.submitted[0].job_id
    await until_row(gateway, job_id, "waiter is null and delivered_at is null")
    async with gateway.client(key) as session:
        again = {"x-stainless-retry-count": "1", "Content-Type": "application/json"}
        async with session.post("/v1/images/generations", data=body, headers=again) as answer:
            told = await answer.json()
            assert answer.status == 200
        assert pybase64.b64decode(told["data"][0]["b64_json"]) == picture
    assert [event.job_id for event in gateway.billing.submitted] == [job_id]
    await until_row(gateway, job_id, "delivered_at is not null")


async def until_row(gateway: RunningGateway, job_id: UUID, condition: str) -> None:
    async def holds() -> bool:
        return bool(await gateway.rows(f"select 1 from jobs where job_id = %(job)s and {condition}", job=job_id))

    await until(holds, 5, 0.05)


async def until_state(gateway: RunningGateway, task: str, state: str, limit_s: float = 5) -> None:
    async def holds() -> bool:
        rows = await gateway.rows("select state from jobs where job_id = %(job)s", job=parse_public_id(task))
        return rows[0]["state"] == state

    await until(holds, limit_s, 0.05)


async def test_an_overdue_job_is_asked_about_once_per_asking_and_ends(gateway: RunningGateway) -> None:
    gateway.billing.answer = silent
    async with gateway.client() as session:
        async with session.post("/v1/videos", json=VIDEO) as answer:
            video = await answer.json()
        event = gateway.billing.submitted[0]
        await gateway.rows("update jobs set ask_at = now() where job_id = %(job)s returning 1", job=event.job_id)
        await until(lambda: gateway.billing.overdue, 5)
        await asyncio.sleep(0.8)
        assert [asked.job_id for asked in gateway.billing.overdue] == [event.job_id]
        await gateway.billing.bus.publish(settled(event, code="deadline_exceeded"))
        await asyncio.sleep(0.2)
        async with session.get(f"/v1/videos/{video['id']}") as answer:
            read = await answer.json()
    assert (read["status"], read["error"]["code"]) == ("failed", "deadline_exceeded")


async def test_a_verdict_before_its_hold_is_not_undone_by_it(gateway: RunningGateway) -> None:
    async def backwards(event: JobSubmitted) -> list[Message]:
        return [settled(event)]

    gateway.billing.answer = backwards
    async with gateway.client() as session:
        async with session.post("/v1/videos", json=VIDEO) as answer:
            video = await answer.json()
        assert video["status"] == "completed"
        await gateway.billing.bus.publish(reserved(gateway.billing.submitted[0]))
        await asyncio.sleep(0.2)
        async with session.get(f"/v1/videos/{video['id']}") as answer:
            assert (await answer.json())["status"] == "completed"


async def test_the_same_verdict_again_announces_the_same_end_again(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        async with session.post("/v1/images/generations", json=IMAGE) as answer:
            job_id: UUID | None = parse_public_id((await answer.json())["id"])
    # The notifier recognises a repeat; a crash between row and message must not lose the message.
    await gateway.rows(
        "update jobs set callback_url = 'https://example.org/' where job_id = %(job)s returning 1", job=job_id
    )
    verdict = settled(gateway.billing.submitted[0])
    for said in (1, 2):
        await gateway.billing.bus.publish(verdict)
        await until(lambda said=said: len(gateway.billing.finished) == said, 5)
    assert len({event.key for event in gateway.billing.finished}) == 1


@pytest.mark.parametrize(
    "change",
    ["state = 'failed', error_code = 'x'", "charged_microusd = 0", "state = 'submitted', finished_at = null"],
)
async def test_the_database_itself_keeps_final_states(gateway: RunningGateway, change: str) -> None:
    gateway.billing.answer = completes
    async with gateway.client() as session, session.post("/v1/images/generations", json=IMAGE) as answer:
        job_id = parse_public_id((await answer.json())["id"])
    with pytest.raises(CheckViolation):
        await gateway.rows(f"update jobs set {change} where job_id = %(job)s returning 1", job=job_id)


async def test_a_lost_connection_to_the_broker_loses_nobody_who_waits(
    gateway: RunningGateway, proxy: FaultProxy
) -> None:
    async def cut_then_complete(event: JobSubmitted) -> list[Message]:
        proxy.cut()
        return await completes(event)

    gateway.billing.answer = cut_then_complete
    async with gateway.client() as session, session.post("/v1/images/generations", json=IMAGE) as answer:
        assert answer.status == 200
