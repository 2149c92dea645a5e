"""What is refused, and how; limits; links."""

import asyncio
import base64
import io
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from common import clock
from common.contracts import JobSubmitted, Message
from gateway.domain.media_links import MediaLinks
from support.gateway import PNG, RunningGateway, reserved, settled
from support.stack import until

IMAGE = {"model": "gpt-image-2", "prompt": "a lighthouse"}
VIDEO = {"model": "seedance-2.0", "prompt": "waves"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "not_found"),
        ("DELETE", "/v1/images/generations", {}, 405, "method_not_allowed"),
        ("POST", "/v1/images/generations", {"json": {"prompt": "x"}}, 400, "missing_required_parameter"),
        ("POST", "/v1/images/generations", {"json": {**IMAGE, "model": "none"}}, 404, "model_not_found"),
        ("POST", "/v1/images/generations", {"json": {**IMAGE, "model": 5}}, 400, "invalid_value"),
        ("POST", "/v1/images/generations", {"json": {**IMAGE, "n": 0}}, 400, "invalid_value"),
        ("POST", "/v1/images/generations", {"json": {**IMAGE, "stream": True}}, 400, "invalid_value"),
        ("POST", "/v1/images/generations", {"json": {**IMAGE, "colour": 1}}, 400, "unknown_parameter"),
        ("POST", "/v1/images/generations", {"json": VIDEO}, 400, "invalid_value"),
        ("POST", "/v1/images/generations", {"json": [1]}, 400, "invalid_json"),
        ("POST", "/v1/images/generations", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400,
         "invalid_json"),
        ("POST", "/v1/images/generations", {"data": b"x", "headers": {"Content-Type": "text/plain"}}, 415,
         "unsupported_media_type"),
        ("POST", "/v1/images/generations", {"json": {**IMAGE, "callback_url": "http://10.0.0.1/"}}, 400,
         "invalid_url"),
        ("POST", "/v1/images/generations", {"json": IMAGE, "headers": {"Idempotency-Key": "x" * 256}}, 400,
         "invalid_value"),
        ("POST", "/v1/videos", {"json": {**VIDEO, "input_reference": {"image_url": "data:image/png;base64,!!"}}}, 400,
         "invalid_base64_image"),
        ("POST", "/v1/videos", {"json": {**VIDEO, "input_reference": "http://169.254.169.254/x"}}, 400,
         "invalid_image_url"),
        ("POST", "/v1/videos", {"data": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
         400, "invalid_multipart"),
        ("POST", "/v1/videos", {"data": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400,
         "invalid_multipart"),
        ("GET", "/v1/videos?limit=0", {}, 400, "invalid_value"),
        ("GET", "/v1/videos/video_00", {}, 404, "not_found"),
        ("GET", "/v1/tasks/x?wait=-1", {}, 404, "not_found"),
        ("GET", "/v1/models/" + "x" * 9000, {}, 414, "uri_too_long"),
    ],
)  # fmt: skip
async def test_a_clients_mistake_is_an_envelope_and_never_a_5xx(
    gateway: RunningGateway, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    async with gateway.client() as session, session.request(method, path, **options) as answer:
        body = await answer.json()
        assert (answer.status, body["error"]["code"]) == (status, code)
        assert body["request_id"] == answer.headers["x-request-id"]
        assert set(body["error"]) == {"message", "type", "param", "code"}
    assert gateway.billing.submitted == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rk_live_x", "Basic abc", "Bearer rk_live_" + "a" * 40])
async def test_a_wrong_key_is_401(gateway: RunningGateway, header: str) -> None:
    async with aiohttp.ClientSession(gateway.url, headers={"Authorization": header}) as session:
        async with session.get("/v1/models") as answer:
            body = await answer.json()
            assert (answer.status, body["error"]["code"]) == (401, "invalid_api_key")


async def test_a_revoked_key_is_dead_within_five_seconds(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        async with session.get("/v1/models") as answer:
            assert answer.status == 200
        await gateway.rows("update api_keys set revoked_at = now() returning 1")
        async with asyncio.timeout(5):
            while True:
                async with session.get("/v1/models") as answer:
                    if answer.status == 401:
                        break
                await asyncio.sleep(0.2)


async def test_an_announced_length_over_the_limit_is_refused_before_a_byte_is_read(gateway: RunningGateway) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    key = await gateway.key()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {33 * 1024 * 1024}\r\n\r\n".encode()
    )
    async with asyncio.timeout(3):
        head = await reader.readuntil(b"\r\n")
    writer.close()
    assert b" 413 " in head


async def test_a_chunked_body_is_bounded_while_it_is_read(gateway: RunningGateway) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield b'{"prompt": "'
        for _ in range(200):
            sent += 1
            yield b"x" * (1024 * 1024)

    async with gateway.client() as session:
        try:
            async with session.post(
                "/v1/images/generations", data=endless(), headers={"Content-Type": "application/json"}
            ) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            pass  # the server may close while we are still sending
    assert gateway.billing.submitted == []


async def test_a_file_over_50_mb_is_refused_and_leaves_nothing_staged(gateway: RunningGateway) -> None:
    before = len(await gateway.store.list_prefix(gateway.store.staging, "staged/"))
    form = aiohttp.FormData(VIDEO)
    form.add_field("input_reference", io.BytesIO(PNG + b"\0" * 51_000_000), filename="a.png")
    async with gateway.client() as session, session.post("/v1/videos", data=form) as answer:
        assert answer.status == 413
    await until(
        lambda: _count(gateway, before),
        5,
    )


async def _count(gateway: RunningGateway, before: int) -> bool:
    return len(await gateway.store.list_prefix(gateway.store.staging, "staged/")) == before


async def test_too_many_headers_are_refused(gateway: RunningGateway) -> None:
    async with gateway.client() as session:
        async with session.get("/v1/models", headers={f"x-{i}": "1" for i in range(80)}) as answer:
            assert answer.status == 431


async def test_requests_per_minute_are_counted_exactly_and_told(gateway: RunningGateway) -> None:
    async with gateway.client(await gateway.key(rate_per_minute=5)) as session:

        async def one() -> tuple[int, Any]:
            async with session.get("/v1/videos") as answer:
                return answer.status, answer.headers

        answers = await asyncio.gather(*(one() for _ in range(12)))
    statuses = sorted(status for status, _ in answers)
    assert statuses == [200] * 5 + [429] * 7
    refused = next(headers for status, headers in answers if status == 429)
    assert refused["x-ratelimit-limit-requests"] == "5"
    assert 1 <= int(refused["retry-after"]) <= 12


async def test_jobs_at_a_time_are_exact_under_concurrency(gateway: RunningGateway) -> None:
    async def holds(event: JobSubmitted) -> list[Message]:
        return [reserved(event)]

    gateway.billing.answer = holds
    async with gateway.client(await gateway.key(inflight=3)) as session:

        async def one() -> int:
            async with session.post("/v1/videos", json=VIDEO) as answer:
                return answer.status

        statuses = await asyncio.gather(*(one() for _ in range(12)))
    assert sorted(statuses) == [200] * 3 + [429] * 9


# Media links


async def finished(gateway: RunningGateway, ttl_s: float) -> str:
    async def puts(event: JobSubmitted) -> list[Message]:
        verdict = settled(event, ttl_s=ttl_s)
        await gateway.store.put(gateway.store.outputs, verdict.outputs[0].key, PNG, "image/png")
        return [verdict]

    gateway.billing.answer = puts
    async with gateway.client() as session, session.post("/v1/images/generations", json=IMAGE) as answer:
        url: str = (await answer.json())["data"][0]["url"]
    return url.replace("http://127.0.0.1:1", gateway.url)


async def test_a_link_leads_to_the_picture_and_a_changed_one_nowhere(gateway: RunningGateway) -> None:
    url = await finished(gateway, 60)
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            assert (answer.status, await answer.read()) == (200, PNG)
        async with session.get(url, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["cache-control"] == "private, no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
        for changed in (
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.replace("/0.png", "/1.png"),
            url.split("?")[0],
        ):
            async with session.get(changed) as answer:
                assert answer.status == 403


async def test_a_link_dies_with_its_output(gateway: RunningGateway) -> None:
    url = await finished(gateway, 2)
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            assert answer.status == 200
        await asyncio.sleep(2.1)
        async with session.get(url) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (410, "expired")


async def test_a_signed_link_shows_nothing_before_the_capture(gateway: RunningGateway) -> None:
    async def holds(event: JobSubmitted) -> list[Message]:
        return [reserved(event)]

    gateway.billing.answer = holds
    async with gateway.client() as session, session.post("/v1/videos", json=VIDEO) as answer:
        assert answer.status == 200
    key = bytes.fromhex(gateway.settings.media_signing_key.get_secret_value())
    job_id = gateway.billing.submitted[0].job_id
    url = MediaLinks(gateway.url, key).link(job_id, 0, "video/mp4", clock.now() + timedelta(hours=1))
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 404


# Documents


async def test_the_docs_page_asks_nobody_else_for_anything(gateway: RunningGateway) -> None:
    async with aiohttp.ClientSession(gateway.url) as session, session.get("/docs") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "src=" not in page
    assert "<script" not in page
    assert "@import" not in page
    assert len(page) < 150_000


async def test_the_openapi_document_knows_every_path(gateway: RunningGateway) -> None:
    async with aiohttp.ClientSession(gateway.url) as session, session.get("/openapi.json") as answer:
        document = await answer.json()
    assert set(document["paths"]["/v1/videos"]) == {"get", "post"}
    assert {"/media/{job}/{file}", "/v1/models/{id}", "/api/v1/tasks/{id}"} <= set(document["paths"])


async def test_allow_names_every_method_of_a_path(gateway: RunningGateway) -> None:
    async with gateway.client() as session, session.delete("/v1/videos") as answer:
        assert answer.status == 405
        assert {"GET", "POST"} <= {one.strip() for one in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("path", ["/api/v1/tasks/x?wait=abc", "/v1/videos/x/content?variant=thumbnail"])
async def test_who_has_no_key_learns_nothing_else(gateway: RunningGateway, path: str) -> None:
    async with aiohttp.ClientSession(gateway.url) as session, session.get(path) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("fields", "param"),
    [([("image", b"x", "a.png")], "image"), ([("prompt", "a", None), ("prompt", "b", None)], "prompt")],
)
async def test_a_form_field_at_fault_is_named(gateway: RunningGateway, fields: list[Any], param: str) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value, filename in [("model", "seedance-2.0", None), *fields]:
        form.add_field(name, value, filename=filename)
    async with gateway.client() as session, session.post("/v1/videos", data=form) as answer:
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, param)


async def test_a_video_is_only_taken_by_its_address(gateway: RunningGateway) -> None:
    mp4 = b"\0\0\0\x18ftypisom" + bytes(12)
    body = {"model": "seedance-2.0", "prompt": "waves"}
    data = "data:video/mp4;base64," + base64.b64encode(mp4).decode()
    async with gateway.client() as session:
        async with session.post("/v1/videos", json={**body, "reference_videos": [data]}) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["param"]) == (400, "reference_videos")
            assert "https URL" in error["message"]
