"""From a request to one job: answers, refusals, idempotency, adoption."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from common.contracts import JobSubmitted, Message
from common.ids import parse_public_id
from support.gateway import PNG, RunningGateway, completes, rejected, reserved, settled
from support.stack import until

IMAGE = {"model": "gpt-image-2", "prompt": "a lighthouse"}
VIDEO = {"model": "seedance-2.0", "prompt": "waves"}


async def call(
    session: aiohttp.ClientSession, method: str, path: str, **options: Any
) -> tuple[int, Any, "aiohttp.typedefs.LooseHeaders"]:
    async with session.request(method, path, **options) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_a_synchronous_picture_is_answered_with_its_link_and_price(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        status, body, headers = await call(session, "POST", "/v1/images/generations", json=IMAGE)
    assert status == 200
    assert body["data"][0]["url"].startswith("http://127.0.0.1:1/media/")
    assert body["credits"] == {"reserved": 40, "charged": 40, "refunded": 0}
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"


async def test_b64_json_is_read_from_the_bucket(gateway: RunningGateway) -> None:
    async def puts(event: JobSubmitted) -> list[Message]:
        verdict = settled(event)
        await gateway.store.put(gateway.store.outputs, verdict.outputs[0].key, PNG, "image/png")
        return [verdict]

    gateway.billing.answer = puts
    async with gateway.client() as session:
        _, body, _ = await call(
            session, "POST", "/v1/images/generations", json={**IMAGE, "response_format": "b64_json"}
        )
    assert body["data"][0]["b64_json"].startswith("iVBORw0KGgo")


async def test_what_a_customer_says_of_further_routes_travels_with_the_job(gateway: RunningGateway) -> None:
    order = {**IMAGE, "fallback": {"enabled": False, "allow_lossy": ["background"]}}
    async with gateway.client() as session:
        assert (await call(session, "POST", "/v1/images/generations", json=order))[0] == 200
        status, body, _ = await call(
            session, "POST", "/v1/images/generations", json={**IMAGE, "fallback": {"allow_lossy": ["size"]}}
        )
    assert (status, body["error"]["param"]) == (400, "fallback")
    (event,) = gateway.billing.submitted
    assert (event.lossy, event.failover) == (("background",), False)


async def test_the_prompt_leaves_the_gateway_sealed_only(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        await call(
            session, "POST", "/v1/images/generations", json={**IMAGE, "prompt": "CANARY-4711", "user": "CANARY-4712"}
        )
    (event,) = gateway.billing.submitted
    assert "CANARY" not in event.model_dump_json()
    rows = await gateway.rows("select j.*::text as row from jobs j")
    assert not any("CANARY" in row["row"] for row in rows)


async def test_respond_async_answers_202_with_the_task(gateway: RunningGateway) -> None:
    async def holds(event: JobSubmitted) -> list[Message]:
        return [reserved(event)]

    gateway.billing.answer = holds
    async with gateway.client() as session:
        status, task, _ = await call(
            session, "POST", "/v1/images/generations", json=IMAGE, headers={"Prefer": "respond-async"}
        )
        assert (status, task["status"], task["prompt"]) == (202, "processing", None)
        assert task["credits"] == {"reserved": 40, "charged": 0, "refunded": 0}
        waiting = asyncio.create_task(call(session, "GET", f"/api/v1/tasks/{task['id']}?wait=20"))
        await asyncio.sleep(0.2)
        await gateway.billing.bus.publish(settled(gateway.billing.submitted[0]))
        async with asyncio.timeout(10):
            _, finished, _ = await waiting
    assert finished["status"] == "completed"
    assert finished["output"]["image_urls"][0].startswith("http")


@pytest.mark.parametrize(
    ("path", "status", "retry"),
    [("/v1/images/generations", 429, "false"), ("/api/v1/images/generations", 402, "false")],
)
async def test_no_credit_is_said_in_each_familys_way(
    gateway: RunningGateway, path: str, status: int, retry: str
) -> None:
    async def refuses(event: JobSubmitted) -> list[Message]:
        return [rejected(event)]

    gateway.billing.answer = refuses
    async with gateway.client() as session:
        found, body, headers = await call(session, "POST", path, json=IMAGE)
    assert (found, body["error"]["code"], headers["x-should-retry"]) == (status, "insufficient_quota", retry)


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("content_policy_violation", 400, "moderation_blocked"),
        ("invalid_request", 400, "invalid_value"),
        ("upstream_unavailable", 503, "upstream_unavailable"),
        ("deadline_exceeded", 504, "deadline_exceeded"),
        ("something_new", 502, "something_new"),
    ],
)
async def test_a_refunded_picture_is_an_error_by_its_code(
    gateway: RunningGateway, code: str, status: int, said: str
) -> None:
    async def refunds(event: JobSubmitted) -> list[Message]:
        return [settled(event, code=code)]

    gateway.billing.answer = refunds
    async with gateway.client() as session:
        found, body, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE)
    assert (found, body["error"]["code"]) == (status, said)


async def test_a_video_comes_by_form_or_json_and_reads_as_openai_reads_it(gateway: RunningGateway) -> None:
    form = aiohttp.FormData({"model": "seedance-2.0", "prompt": "waves", "seconds": "5", "size": "1280x720"})
    form.add_field("input_reference", PNG, filename="secret-name.png", content_type="image/png")
    async with gateway.client() as session:
        status, video, _ = await call(session, "POST", "/v1/videos", data=form)
        assert (status, video["object"], video["seconds"], video["size"]) == (200, "video", "5", "1280x720")
        async with session.get(f"/v1/videos/{video['id']}") as answer:
            assert int(answer.headers["openai-poll-after-ms"]) > 0
        status, other, _ = await call(session, "POST", "/v1/videos", json=VIDEO)
        _, page, _ = await call(session, "GET", "/v1/videos?limit=1")
        assert (page["has_more"], page["last_id"]) == (True, other["id"])
        _, rest, _ = await call(session, "GET", f"/v1/videos?limit=1&after={page['last_id']}")
        assert [one["id"] for one in rest["data"]] == [video["id"]]
    first = gateway.billing.submitted[0]
    assert first.mode == "first_frame"
    staged = await gateway.store.list_prefix(gateway.store.staging, f"staged/{first.job_id.hex}/")
    assert len(staged) == 1
    assert PNG not in await gateway.store.get(gateway.store.staging, staged[0].key)


async def test_another_account_sees_nothing(gateway: RunningGateway) -> None:
    async with gateway.client() as owner, gateway.client() as stranger:
        _, video, _ = await call(owner, "POST", "/v1/videos", json=VIDEO)
        for path in (
            f"/v1/videos/{video['id']}",
            f"/v1/videos/{video['id']}/content",
            f"/v1/tasks/{video['task_id']}",
        ):
            status, body, _ = await call(stranger, "GET", path)
            assert (status, body["error"]["code"]) == (404, "not_found")


async def test_a_callback_is_announced_once_the_row_is_final(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        _, video, _ = await call(
            session, "POST", "/v1/videos", json={**VIDEO, "callback_url": "http://127.0.0.1:9/hook"}
        )
    await until(lambda: gateway.billing.finished, 5)
    assert gateway.billing.finished[0].public_id == video["id"]


# Idempotency


async def test_one_key_is_one_job_however_often_it_is_sent_at_once(gateway: RunningGateway) -> None:
    async def slowly(event: JobSubmitted) -> list[Message]:
        await asyncio.sleep(0.3)
        return await completes(event)

    gateway.billing.answer = slowly
    async with gateway.client() as session:
        answers = await asyncio.gather(
            *(
                call(session, "POST", "/v1/images/generations", json=IMAGE, headers={"Idempotency-Key": "twin"})
                for _ in range(20)
            )
        )
    assert {status for status, _, _ in answers} == {200}
    assert len({body["id"] for _, body, _ in answers}) == 1
    assert len({event.job_id for event in gateway.billing.submitted}) == 1


async def test_a_key_with_another_body_is_a_conflict_that_no_sdk_retries(gateway: RunningGateway) -> None:
    headers = {"Idempotency-Key": "k1"}
    async with gateway.client() as session:
        await call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers)
        status, body, sent = await call(
            session, "POST", "/v1/images/generations", json={**IMAGE, "prompt": "else"}, headers=headers
        )
    assert (status, body["error"]["code"], sent["x-should-retry"]) == (409, "idempotency_key_reused", "false")


async def test_a_refusal_without_a_hold_frees_its_key(gateway: RunningGateway) -> None:
    async def refuses(event: JobSubmitted) -> list[Message]:
        return [rejected(event)]

    headers = {"Idempotency-Key": "k2"}
    async with gateway.client() as session:
        gateway.billing.answer = refuses
        status, _, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers)
        assert status == 429
        gateway.billing.answer = completes
        status, _, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers)
    assert status == 200


async def test_a_key_older_than_a_day_is_new_again(gateway: RunningGateway) -> None:
    headers = {"Idempotency-Key": "k3"}
    async with gateway.client() as session:
        _, first, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers)
        await gateway.rows(
            "update jobs set created_at = created_at - interval '25 hours' where job_id = %(job)s returning job_id",
            job=parse_public_id(first["id"]),
        )
        status, second, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers)
    assert (status, first["id"] == second["id"]) == (200, False)


async def test_an_undecided_job_is_submitted_again_from_the_replays_body(gateway: RunningGateway) -> None:
    async def silent(event: JobSubmitted) -> list[Message]:
        return []

    gateway.billing.answer = silent
    headers = {"Idempotency-Key": "k4"}
    async with gateway.client() as session:
        first = asyncio.create_task(call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers))
        await until(lambda: gateway.billing.submitted, 5)
        gateway.billing.answer = completes
        _, second, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE, headers=headers)
        _, one, _ = await first
    assert one["id"] == second["id"]
    assert len(gateway.billing.about(parse_public_id(one["id"]) or UUID(int=0))) == 2


# Adoption


async def test_a_stock_sdks_repeat_takes_over_the_job_its_client_gave_up(gateway: RunningGateway) -> None:
    release = asyncio.Event()

    async def later(event: JobSubmitted) -> list[Message]:
        if len(gateway.billing.submitted) == 1:
            await release.wait()
        return await completes(event)

    gateway.billing.answer = later
    async with gateway.client() as session:
        with pytest.raises(TimeoutError):
            await call(
                session, "POST", "/v1/images/generations", json=IMAGE, timeout=aiohttp.ClientTimeout(total=0.5)
            )
        await asyncio.sleep(0.3)
        again = asyncio.create_task(
            call(session, "POST", "/v1/images/generations", json=IMAGE, headers={"x-stainless-retry-count": "1"})
        )
        await asyncio.sleep(0.3)
        release.set()
        status, body, _ = await again
    assert status == 200
    assert {event.job_id for event in gateway.billing.submitted} == {parse_public_id(body["id"])}


async def test_a_delivered_answer_is_adopted_by_nobody(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        _, first, _ = await call(session, "POST", "/v1/images/generations", json=IMAGE)
        await asyncio.sleep(0.6)
        _, second, _ = await call(
            session, "POST", "/v1/images/generations", json=IMAGE, headers={"x-stainless-retry-count": "1"}
        )
    assert first["id"] != second["id"]


async def test_a_job_somebody_waits_for_is_adopted_by_nobody(gateway: RunningGateway) -> None:
    async def slowly(event: JobSubmitted) -> list[Message]:
        await asyncio.sleep(0.5)
        return await completes(event)

    gateway.billing.answer = slowly
    async with gateway.client() as session:
        answers = await asyncio.gather(
            *(
                call(session, "POST", "/v1/images/generations", json=IMAGE, headers={"x-stainless-retry-count": "1"})
                for _ in range(8)
            )
        )
    assert len({body["id"] for _, body, _ in answers}) == 8


async def test_equal_jobs_of_a_dead_process_are_adopted_one_each(gateway: RunningGateway) -> None:
    async def silent(event: JobSubmitted) -> list[Message]:
        return []

    gateway.billing.answer = silent
    async with gateway.client() as session:
        lost = [asyncio.create_task(call(session, "POST", "/v1/images/generations", json=IMAGE)) for _ in range(10)]
        await until(lambda: len(gateway.billing.submitted) == 10, 5)
        # As if another process had been waiting for them and had died: nobody holds that incarnation's lock.
        await gateway.rows("update jobs set waiter = 77 where state = 'submitted' returning job_id")
        gateway.billing.answer = completes
        async with gateway.client(session.headers["Authorization"].split()[1]) as again:
            answers = await asyncio.gather(
                *(
                    call(
                        again, "POST", "/v1/images/generations", json=IMAGE, headers={"x-stainless-retry-count": "1"}
                    )
                    for _ in range(10)
                )
            )
        await asyncio.gather(*lost)
    assert {status for status, _, _ in answers} == {200}
    assert len({body["id"] for _, body, _ in answers}) == 10
    assert len({event.job_id for event in gateway.billing.submitted}) == 10
