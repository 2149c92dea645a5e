import asyncio
import hashlib
import io
from typing import Any

import aiohttp
import av
import pybase64
import pytest
from nacl.signing import VerifyKey
from PIL import Image

from simulators.fal import verify
from support.house import House

IMAGE = "/openai/gpt-image-2"
VIDEO = "/bytedance/seedance-2.0/text-to-video"


def _image(**fields: object) -> dict[str, object]:
    return {"prompt": "a cat", "image_size": {"width": 512, "height": 512}, "quality": "low", **fields}


async def _submit(house: House, path: str, body: dict[str, object], **options: Any) -> dict[str, Any]:
    status, answer, headers = await house.call("fal", "POST", path, json=body, **options)
    assert status == 200, answer
    assert headers["x-fal-request-id"]
    return answer


async def _done(house: House, job: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            status, shown, _ = await house.call("fal", "GET", job["status_url"])
            assert status == (200 if shown["status"] == "COMPLETED" else 202)
            if shown["status"] == "COMPLETED":
                return shown
            await asyncio.sleep(0.01)


async def test_pictures_come_as_links_on_the_media_host(house: House):
    job = await _submit(house, IMAGE, _image(num_images=2, output_format="webp"))
    assert job["status"] == "IN_QUEUE"
    shown = await _done(house, job)
    assert "error" not in shown
    status, result, headers = await house.call("fal", "GET", job["response_url"])
    assert (status, headers["x-fal-billable-units"]) == (200, "2")
    assert len({file["url"] for file in result["images"]}) == 2
    for file in result["images"]:
        assert file["url"].startswith(house.urls["media"])
        _, body, headers = await house.call("media", "GET", file["url"])
        assert (len(body), headers["content-type"]) == (file["file_size"], "image/webp")
        with Image.open(io.BytesIO(body)) as picture:
            assert picture.size == (file["width"], file["height"]) == (512, 512)


async def test_the_older_image_model_knows_three_frames(house: House):
    job = await _submit(house, "/fal-ai/gpt-image-1.5", {"prompt": "a cat", "image_size": "1536x1024"})
    await _done(house, job)
    _, result, _ = await house.call("fal", "GET", job["response_url"])
    assert [(file["width"], file["height"]) for file in result["images"]] == [(1536, 1024)]
    job = await _submit(house, "/fal-ai/gpt-image-1.5", {"prompt": "a cat", "image_size": "square_hd"})
    await _done(house, job)
    status, _, _ = await house.call("fal", "GET", job["response_url"])
    assert status == 422


async def test_a_film_comes_with_its_size_and_length(house: House):
    body = {"prompt": "x", "duration": "4", "resolution": "480p", "aspect_ratio": "9:16", "generate_audio": False}
    job = await _submit(house, VIDEO, body)
    await _done(house, job)
    _, result, _ = await house.call("fal", "GET", job["response_url"])
    assert isinstance(result["seed"], int)
    _, film, _ = await house.call("media", "GET", result["video"]["url"])
    assert len(film) == result["video"]["file_size"]
    with av.open(io.BytesIO(film)) as opened:
        stream = opened.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (496, 864, 96)


async def test_an_image_may_start_a_film(house: House):
    path = "/bytedance/seedance-2.0/image-to-video"
    job = await _submit(house, path, {"prompt": "x", "image_url": "https://a.example/b.png", "duration": "5"})
    assert "error" not in await _done(house, job)
    job = await _submit(house, path, {"prompt": "x"})
    assert (await _done(house, job))["error_type"] == "missing"


async def test_urls_name_owner_and_application_only(house: House):
    job = await _submit(house, VIDEO, {"prompt": "x"})
    base = f"{house.urls['fal']}/bytedance/seedance-2.0/requests/{job['request_id']}"
    assert (job["response_url"], job["status_url"], job["cancel_url"]) == (base, f"{base}/status", f"{base}/cancel")
    trap = f"{VIDEO}/requests/{job['request_id']}/status"
    assert (await house.call("fal", "GET", trap))[0] in {404, 405}


async def test_a_result_asked_too_early_is_refused(house: House):
    await house.dial("fal", "never_finishes", queue_ms=0)
    job = await _submit(house, IMAGE, _image())
    status, body, _ = await house.call("fal", "GET", job["response_url"])
    assert (status, body["detail"]) == (400, "Request is still in progress")
    await asyncio.sleep(0.1)
    assert (await house.call("fal", "GET", job["status_url"]))[1]["status"] == "IN_PROGRESS"


async def test_the_position_in_the_queue_counts_down(house: House):
    await house.dial("fal", render_ms=400, queue_ms=300)
    jobs = [await _submit(house, IMAGE, _image()) for _ in range(4)]
    assert [job["queue_position"] for job in jobs] == [1, 2, 3, 4]
    positions = []
    while (shown := (await house.call("fal", "GET", jobs[3]["status_url"]))[1])["status"] == "IN_QUEUE":
        positions.append(shown["queue_position"])
        await asyncio.sleep(0.02)
    assert positions == sorted(positions, reverse=True)
    assert positions[-1] < 4


@pytest.mark.parametrize(
    ("scenario", "status", "kind"),
    [
        ("policy_input", 422, "content_policy_violation"),
        ("policy_output", 422, "content_policy_violation"),
        ("invalid", 422, "one_of"),
        ("accepted_then_failed", 500, "internal_server_error"),
    ],
)
async def test_completed_does_not_mean_success(house: House, scenario: str, status: int, kind: str):
    await house.dial("fal", scenario, render_ms=20)
    job = await _submit(house, IMAGE, _image(), headers={"x-fal-no-retry": "1"})
    shown = await _done(house, job)
    assert shown["error_type"] == kind
    answered, body, headers = await house.call("fal", "GET", job["response_url"])
    assert (answered, body["detail"][0]["type"], headers["x-fal-error-type"]) == (status, kind, kind)
    assert body["detail"][0]["loc"][0] == "body"


async def test_without_no_retry_a_failure_takes_its_time(house: House):
    await house.dial("fal", "accepted_then_failed", render_ms=20)
    job = await _submit(house, IMAGE, _image())
    await asyncio.sleep(0.1)
    assert (await house.call("fal", "GET", job["status_url"]))[1]["status"] == "IN_PROGRESS"


async def test_wrong_input_shows_only_in_the_result(house: House):
    for body, field in ((_image(image_size={"width": 500, "height": 512}), "image_size"), (_image(hat=1), "hat")):
        job = await _submit(house, IMAGE, body)
        await _done(house, job)
        status, answer, _ = await house.call("fal", "GET", job["response_url"])
        assert (status, answer["detail"][0]["loc"]) == (422, ["body", field])
        assert "a cat" not in str(answer)
    job = await _submit(house, VIDEO, {"prompt": "x", "duration": 5})
    assert (await _done(house, job))["error_type"] == "one_of"


async def test_a_late_start_times_out(house: House):
    await house.dial("fal", render_ms=5_000, queue_ms=4_000)
    job = await _submit(house, IMAGE, _image(), headers={"X-Fal-Request-Timeout": "0.05"})
    assert (await _done(house, job))["error_type"] == "request_timeout"
    status, _, headers = await house.call("fal", "GET", job["response_url"])
    assert (status, headers["x-fal-request-timeout-type"]) == (504, "user")


async def test_a_full_queue_refuses(house: House):
    await house.dial("fal", render_ms=2_000, queue_ms=2_000)
    for _ in range(2):
        await _submit(house, IMAGE, _image())
    status, _, _ = await house.call("fal", "POST", f"{IMAGE}?fal_max_queue_length=1", json=_image())
    assert status == 429


async def test_cancel_answers_by_state(house: House):
    await house.dial("fal", render_ms=2_000, queue_ms=2_000)
    job = await _submit(house, IMAGE, _image())
    assert (await house.call("fal", "PUT", job["cancel_url"]))[:2] == (202, {"status": "CANCELLATION_REQUESTED"})
    assert (await house.call("fal", "PUT", job["cancel_url"]))[:2] == (400, {"status": "ALREADY_COMPLETED"})
    gone = job["cancel_url"].replace(job["request_id"], "nobody")
    assert (await house.call("fal", "PUT", gone))[:2] == (404, {"status": "NOT_FOUND"})


@pytest.mark.parametrize(
    ("scenario", "status"), [("429", 429), ("quota", 403), ("auth", 401), ("404", 404), ("500", 500), ("503", 503)]
)
async def test_platform_errors_are_told_at_once(house: House, scenario: str, status: int):
    await house.dial("fal", scenario)
    answered, body, _ = await house.call("fal", "POST", IMAGE, json=_image())
    assert answered == status
    assert isinstance(body["detail"], str)
    assert (await house.journal("fal"))["counts"]["accepted_by_operation"] == {}


async def test_the_scheme_of_the_key_matters(house: House):
    answer = await house.call("fal", "POST", IMAGE, json=_image(), headers={"authorization": "Bearer k"})
    assert answer[0] == 401


async def test_an_unknown_application_is_404(house: House):
    assert (await house.call("fal", "POST", "/fal-ai/nothing", json={}))[0] == 404


@pytest.mark.parametrize(("scenario", "accepted"), [("hang", 0), ("hang_after", 1), ("reset", 0), ("reset_after", 1)])
async def test_an_unanswered_submit_is_written_down(house: House, scenario: str, accepted: int):
    await house.dial("fal", scenario)
    with pytest.raises((TimeoutError, OSError)):
        async with asyncio.timeout(0.2):
            await house.call("fal", "POST", IMAGE, json=_image())
    counts = (await house.journal("fal"))["counts"]
    assert counts["by_operation"] == {"submit": 1}
    assert counts["accepted_by_operation"].get("submit", 0) == accepted


@pytest.mark.parametrize("scenario", ["truncated_output", "html_output", "expired_url", "empty_output"])
async def test_a_success_may_hide_bad_output(house: House, scenario: str):
    await house.dial("fal", scenario, render_ms=0)
    job = await _submit(house, IMAGE, _image())
    assert "error" not in await _done(house, job)
    _, result, _ = await house.call("fal", "GET", job["response_url"])
    if scenario == "empty_output":
        assert result == {"images": []}
        return
    (file,) = result["images"]
    if scenario == "truncated_output":
        with pytest.raises(aiohttp.ClientPayloadError):
            await house.call("media", "GET", file["url"])
    else:
        status, body, _ = await house.call("media", "GET", file["url"])
        assert status == 403 if scenario == "expired_url" else b"<html>" in body


@pytest.mark.parametrize("scenario", ["ok", "policy_output"])
async def test_webhooks_are_signed_so_that_the_published_keys_verify(house: House, scenario: str):
    await house.dial("fal", scenario, render_ms=20)
    job = await _submit(house, f"{IMAGE}?fal_webhook={house.urls['receiver']}/fal", _image())
    deliveries: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while not deliveries:
            await asyncio.sleep(0.02)
            deliveries = (await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]
    (delivery,) = deliveries
    body, headers = pybase64.b64decode(delivery["body_base64"]), delivery["headers"]
    (key,) = (await house.call("fal", "GET", "/.well-known/jwks.json"))[1]["keys"]
    # The check a receiver would write from the documentation, not the one we ship.
    signed = "\n".join(
        [
            *(headers[f"x-fal-webhook-{part}"] for part in ("request-id", "user-id", "timestamp")),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    VerifyKey(pybase64.urlsafe_b64decode(key["x"] + "=")).verify(
        signed.encode(), bytes.fromhex(headers["x-fal-webhook-signature"])
    )
    assert verify(headers, body, [key["x"]])
    assert not verify(headers, body + b" ", [key["x"]])
    assert not verify({**headers, "x-fal-webhook-timestamp": "1"}, body, [key["x"]])
    assert ('"OK"' in delivery["body"]) == (scenario == "ok")
    assert job["request_id"] in delivery["body"]
