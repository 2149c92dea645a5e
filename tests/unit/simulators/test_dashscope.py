"""What is surprising about Model Studio, and about its stand-in."""

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from support.providers import Providers

SUBMIT = "/api/v1/services/aigc/video-generation/video-synthesis"
ASYNC = {"x-dashscope-async": "enable"}
FRAME = {"type": "first_frame", "url": "https://frames.example/a.png"}
REFERENCE = {"type": "reference_image", "url": "data:image/png;base64,AAAA"}
SOURCE = {"type": "video", "url": "https://films.example/a.mp4"}


@pytest_asyncio.fixture
async def call(providers: Providers) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(headers={"authorization": "Bearer k"}) as http:

        async def one(method: str, path: str, **options: Any) -> tuple[int, Any]:
            async with http.request(method, providers.origin("dashscope") + path, **options) as answer:
                return answer.status, await answer.json()

        yield one


def body(model: str = "t2v", *media: dict[str, str], **parameters: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"prompt": "a horse", **({"media": list(media)} if media else {})}
    return {"model": f"happyhorse-1.0-{model}", "input": given, "parameters": parameters}


async def begin(call: Any, *media: dict[str, str], model: str = "t2v", **parameters: Any) -> str:
    status, begun = await call("POST", SUBMIT, json=body(model, *media, **parameters), headers=ASYNC)
    assert (status, begun["output"]["task_status"]) == (200, "PENDING")
    assert set(begun) == {"output", "request_id"}
    return begun["output"]["task_id"]


async def told(call: Any, task: str) -> dict[str, Any]:
    status, found = await call("GET", f"/api/v1/tasks/{task}")
    assert status == 200
    return found


@pytest.mark.parametrize("headers", [{}, {"x-dashscope-async": "disable"}])
async def test_who_does_not_ask_for_a_task_is_sent_away(call, providers, headers):
    status, refused = await call("POST", SUBMIT, json=body(), headers=headers)
    assert (status, refused["code"]) == (403, "AccessDenied")
    assert set(refused) == {"code", "message", "request_id"}
    assert not any(one["accepted"] for one in providers.calls("dashscope"))


async def test_who_names_no_resolution_pays_for_1080p(call):
    usage = (await told(call, await begin(call)))["usage"]
    assert (usage["SR"], usage["ratio"], usage["duration"]) == (1080, "16:9", 5)
    usage = (await told(call, await begin(call, resolution="720P", duration=3)))["usage"]
    assert (usage["SR"], usage["duration"], usage["input_video_duration"]) == (720, 3, 0)


async def test_times_are_those_of_beijing_and_do_not_say_so(call):
    before = time.time() - 0.001
    output = (await told(call, await begin(call)))["output"]
    beijing = timezone(timedelta(hours=8))
    for name in ("submit_time", "scheduled_time", "end_time"):
        said = datetime.fromisoformat(output[name])
        assert said.tzinfo is None
        assert before <= said.replace(tzinfo=beijing).timestamp() <= time.time()


async def test_a_task_of_another_region_is_unknown_and_no_error(call):
    found = await told(call, "0b8d4e4e-0000-0000-0000-000000000000")
    assert found["output"]["task_status"] == "UNKNOWN"
    assert "usage" not in found


async def test_a_task_that_fails_does_so_at_200(call, providers):
    providers.dial("dashscope", "policy_output")
    output = (await told(call, await begin(call)))["output"]
    assert (output["task_status"], output["code"]) == ("FAILED", "DataInspectionFailed")
    assert "video_url" not in output


@pytest.mark.parametrize(("queue_ms", "answer"), [(60_000, (200, "CANCELED")), (0, (400, "RUNNING"))])
async def test_only_what_waits_can_be_cancelled(call, providers, queue_ms, answer):
    providers.dial("dashscope", render_ms=60_000, queue_ms=queue_ms)
    task = await begin(call)
    status, said = await call("POST", f"/api/v1/tasks/{task}/cancel")
    assert (status, (await told(call, task))["output"]["task_status"]) == answer
    assert said.get("code") == (None if status == 200 else "UnsupportedOperation")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (body("t3v"), (404, "ModelNotFound")),
        (body(resolution="720p"), (400, "InvalidParameter")),
        (body(resolution="480P"), (400, "InvalidParameter")),
        (body(duration=2), (400, "InvalidParameter")),
        (body(duration="5"), (400, "InvalidParameter")),
        (body(ratio="21:9"), (400, "InvalidParameter")),
        (body(fps=24), (400, "InvalidParameter")),
        (body("t2v", FRAME), (400, "InvalidParameter")),
        (body("i2v"), (400, "InvalidParameter")),
        (body("i2v", FRAME, FRAME), (400, "InvalidParameter")),
        # A first frame has a shape of its own, a source its own length.
        (body("i2v", FRAME, ratio="16:9"), (400, "InvalidParameter")),
        (body("video-edit", SOURCE, duration=5), (400, "InvalidParameter")),
        (body("i2v", {**FRAME, "url": "a.png"}), (400, "InvalidURL")),
        (body("r2v", *[REFERENCE] * 10), (400, "InvalidParameter")),
        (body("video-edit", SOURCE, *[REFERENCE] * 6), (400, "InvalidParameter")),
    ],
)
async def test_a_wrong_order_is_refused_flatly(call, asked, answer):
    status, refused = await call("POST", SUBMIT, json=asked, headers=ASYNC)
    assert (status, refused["code"]) == answer
    assert set(refused) == {"code", "message", "request_id"}


@pytest.mark.parametrize(
    ("model", "media"),
    [
        ("i2v", [FRAME]),
        ("r2v", [REFERENCE] * 9),
        ("video-edit", [SOURCE]),
        ("video-edit", [SOURCE] + [REFERENCE] * 5),
    ],
)
async def test_each_model_takes_its_media(call, model, media):
    task = await begin(call, *media, model=model)
    assert (await told(call, task))["output"]["task_status"] == "SUCCEEDED"
