import asyncio
import io

import av
import pytest

from support.house import House

TASKS = "/api/v3/contents/generations/tasks"


def _body(**fields: object) -> dict[str, object]:
    text = {"type": "text", "text": "a running dog"}
    return {"model": "dreamina-seedance-2-0-260128", "content": [text], "duration": 4, "ratio": "16:9", **fields}


async def _submit(house: House, **fields: object) -> str:
    status, body, headers = await house.call("ark", "POST", TASKS, json=_body(**fields))
    assert status == 200, body
    assert headers["x-request-id"]
    assert set(body) == {"id"}
    return body["id"]


async def _task(house: House, task_id: str) -> dict:
    return (await house.call("ark", "GET", f"{TASKS}/{task_id}"))[1]


async def _final(house: House, task_id: str) -> dict:
    async with asyncio.timeout(5):
        while (task := await _task(house, task_id))["status"] in {"queued", "running"}:
            await asyncio.sleep(0.01)
    return task


async def test_a_task_goes_from_queue_to_film(house: House):
    await house.dial("ark", render_ms=300, queue_ms=120)
    task_id = await _submit(house, resolution="480p", generate_audio=True, return_last_frame=True)
    assert (await _task(house, task_id))["status"] == "queued"
    await asyncio.sleep(0.16)
    running = await _task(house, task_id)
    assert (running["status"], running["error"], "content" in running) == ("running", None, False)
    task = await _final(house, task_id)
    assert task["status"] == "succeeded"
    assert task["usage"]["total_tokens"] == 864 * 496 * 24 * 4 // 1024
    assert (task["resolution"], task["duration"], task["framespersecond"]) == ("480p", 4, 24)
    _, film, headers = await house.call("media", "GET", task["content"]["video_url"])
    assert headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(film)) as opened:
        stream = opened.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (864, 496, 96)
        assert opened.streams.audio
    status, frame, _ = await house.call("media", "GET", task["content"]["last_frame_url"])
    assert (status, frame[:4]) == (200, b"\x89PNG")


@pytest.mark.parametrize(
    ("resolution", "ratio", "width", "height"),
    [("720p", "9:16", 720, 1280), ("720p", "1:1", 960, 960), ("480p", "3:4", 560, 752), ("1080p", "21:9", 2206, 946)],
)
async def test_frames_have_the_published_sizes(house: House, resolution: str, ratio: str, width: int, height: int):
    await house.dial("ark", render_ms=0)
    task = await _task(house, await _submit(house, resolution=resolution, ratio=ratio))
    assert f"/{width}x{height}-4s" in task["content"]["video_url"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "seedance-9"}, 404, "InvalidEndpointOrModel.NotFound"),
        ({"model": None}, 400, "MissingParameter"),
        ({"content": None}, 400, "MissingParameter"),
        ({"content": []}, 400, "InvalidParameter"),
        ({"content": [{"type": "text", "text": ""}]}, 400, "InvalidParameter"),
        ({"duration": 3}, 400, "InvalidParameter"),
        ({"duration": "5"}, 400, "InvalidParameter"),
        ({"resolution": "8k"}, 400, "InvalidParameter"),
        ({"model": "dreamina-seedance-2-0-fast-260128", "resolution": "1080p"}, 400, "InvalidParameter"),
        ({"ratio": "5:4"}, 400, "InvalidParameter"),
        ({"speed": 2}, 400, "InvalidParameter"),
        ({"generate_audio": "yes"}, 400, "InvalidParameter"),
        ({"content": [{"type": "audio_url", "audio_url": {"url": "https://a/b.mp3"}}]}, 400, "InvalidParameter"),
        (
            {"content": [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA"}}]},
            400,
            "InvalidParameter",
        ),
    ],
)
async def test_a_wrong_task_is_refused_as_ark_does(house: House, fields: dict, status: int, code: str):
    answered, body, headers = await house.call("ark", "POST", TASKS, json=_body(**fields))
    assert (answered, body["error"]["code"]) == (status, code)
    assert headers["x-request-id"] in body["error"]["message"]
    assert (await house.call("ark", "GET", TASKS))[1]["total"] == 0


async def test_images_may_be_frames_or_references(house: House):
    def image(role: str | None) -> dict:
        part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        return part | ({"role": role} if role else {})

    await _submit(house, content=[image(None), {"type": "text", "text": "go"}])
    await _submit(house, content=[image("first_frame"), image("last_frame")])
    await _submit(house, content=[image("reference_image")] * 9)
    for wrong in (["last_frame"], ["first_frame", "reference_image"], ["reference_image"] * 10):
        answer = await house.call("ark", "POST", TASKS, json=_body(content=[image(role) for role in wrong]))
        assert answer[0] == 400


@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        ("429", 429, "RateLimitExceeded.EndpointRPMExceeded"),
        ("429_retry_after", 429, "RateLimitExceeded.EndpointRPMExceeded"),
        ("overloaded", 429, "ServerOverloaded"),
        ("quota", 403, "AccountOverdueError"),
        ("auth", 401, "AuthenticationError"),
        ("policy_input", 400, "InputTextSensitiveContentDetected"),
        ("invalid", 400, "InvalidParameter"),
        ("404", 404, "InvalidEndpointOrModel.NotFound"),
        ("500", 500, "InternalServiceError"),
        ("503", 503, "ServiceUnavailable"),
    ],
)
async def test_each_refusal_has_its_code_and_leaves_no_task(house: House, scenario: str, status: int, code: str):
    await house.dial("ark", scenario)
    answered, body, headers = await house.call("ark", "POST", TASKS, json=_body())
    assert (answered, body["error"]["code"]) == (status, code)
    assert ("retry-after" in headers) == (scenario == "429_retry_after")
    await house.dial("ark")
    assert (await house.call("ark", "GET", TASKS))[1]["total"] == 0


@pytest.mark.parametrize(
    ("scenario", "code"),
    [("policy_output", "OutputVideoSensitiveContentDetected"), ("accepted_then_failed", "InternalServiceError")],
)
async def test_an_accepted_task_may_fail(house: House, scenario: str, code: str):
    await house.dial("ark", scenario, render_ms=30)
    task = await _final(house, await _submit(house))
    assert (task["status"], task["error"]["code"]) == ("failed", code)
    assert "content" not in task


async def test_a_key_is_needed(house: House):
    for key in ("", "Key k"):
        answer = await house.call("ark", "POST", TASKS, json=_body(), headers={"authorization": key})
        assert (answer[0], answer[1]["error"]["code"]) == (401, "AuthenticationError")


@pytest.mark.parametrize(("scenario", "tasks"), [("hang", 0), ("hang_after", 1), ("reset", 0), ("reset_after", 1)])
async def test_an_unanswered_submit_may_or_may_not_have_made_a_task(house: House, scenario: str, tasks: int):
    await house.dial("ark", scenario)
    with pytest.raises((TimeoutError, OSError)):
        async with asyncio.timeout(0.2):
            await house.call("ark", "POST", TASKS, json=_body())
    assert (await house.call("ark", "GET", TASKS))[1]["total"] == tasks
    counts = (await house.journal("ark", operation="submit"))["counts"]
    assert counts["by_operation"]["submit"] == 1
    assert counts["accepted_by_operation"].get("submit", 0) == tasks


@pytest.mark.parametrize(
    ("scenario", "status", "media_type"),
    [("expired_url", 403, "application/xml"), ("html_output", 200, "text/html")],
)
async def test_a_success_may_hide_a_bad_link(house: House, scenario: str, status: int, media_type: str):
    await house.dial("ark", scenario, render_ms=0)
    task = await _final(house, await _submit(house))
    assert task["status"] == "succeeded"
    answered, _, headers = await house.call("media", "GET", task["content"]["video_url"])
    assert (answered, headers["content-type"].split(";")[0]) == (status, media_type)


async def test_a_success_may_lack_its_link(house: House):
    await house.dial("ark", "empty_output", render_ms=0)
    assert (await _final(house, await _submit(house)))["content"] == {"video_url": ""}


async def test_what_is_queued_is_cancelled_what_runs_is_not_what_ended_is_forgotten(house: House):
    await house.dial("ark", render_ms=400, queue_ms=390)
    queued = await _submit(house)
    assert (await house.call("ark", "DELETE", f"{TASKS}/{queued}"))[0] == 200
    assert (await _task(house, queued))["status"] == "cancelled"
    await house.dial("ark", "never_finishes", render_ms=10, queue_ms=0)
    running = await _submit(house)
    assert (await house.call("ark", "DELETE", f"{TASKS}/{running}"))[0] == 409
    await asyncio.sleep(0.03)
    assert (await _task(house, running))["status"] == "running"
    await house.dial("ark", render_ms=0)
    ended = await _submit(house)
    assert (await house.call("ark", "DELETE", f"{TASKS}/{ended}"))[0] == 200
    assert (await house.call("ark", "GET", f"{TASKS}/{ended}"))[0] == 404


async def test_tasks_are_listed_and_narrowed(house: House):
    await house.dial("ark", render_ms=0)
    ids = [await _submit(house) for _ in range(3)]
    await house.dial("ark", "never_finishes")
    await _submit(house)
    _, page, _ = await house.call("ark", "GET", TASKS, params={"page_size": "2"})
    assert (page["total"], len(page["items"])) == (4, 2)
    _, page, _ = await house.call("ark", "GET", TASKS, params={"filter.status": "succeeded"})
    assert {item["id"] for item in page["items"]} == set(ids)
    _, page, _ = await house.call("ark", "GET", TASKS, params=[("filter.task_ids", ids[0]), ("filter.task_ids", "x")])
    assert [item["id"] for item in page["items"]] == [ids[0]]


async def test_each_change_is_called_back_with_the_body_of_a_get(house: House):
    await house.dial("ark", render_ms=200, queue_ms=50)
    task_id = await _submit(house, callback_url=house.urls["receiver"] + "/ark?token=t")
    task = await _final(house, task_id)
    async with asyncio.timeout(5):
        while len((await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]) < 2:
            await asyncio.sleep(0.02)
    deliveries = (await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]
    assert [d["query"] for d in deliveries] == ["token=t"] * 2
    assert '"running"' in deliveries[0]["body"]
    assert task["content"]["video_url"] in deliveries[1]["body"]


async def test_callbacks_may_come_twice_and_from_a_forger(house: House):
    await house.dial("ark", "never_finishes", render_ms=100, queue_ms=0, duplicates=2, forge=True)
    task_id = await _submit(house, callback_url=house.urls["receiver"] + "/ark")
    async with asyncio.timeout(5):
        while len((await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]) < 3:
            await asyncio.sleep(0.02)
    bodies = [one["body"] for one in (await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]]
    assert ['"succeeded"' in body for body in bodies] == [True, False, False]
    assert all(task_id in body for body in bodies)
    assert (await _task(house, task_id))["status"] == "running"


async def test_polls_may_fail_while_the_task_lives(house: House):
    task_id = await _submit(house)
    await house.dial("ark", "500", on=["poll"], times=1)
    assert (await house.call("ark", "GET", f"{TASKS}/{task_id}"))[0] == 500
    assert (await _final(house, task_id))["status"] == "succeeded"
