"""Alibaba's own client against the stand-in: its wire is the one it speaks."""

import asyncio
from http import HTTPStatus
from typing import Any

import aiohttp
import dashscope
import pytest
import pytest_asyncio
from dashscope import VideoSynthesis

from support.providers import Providers


@pytest_asyncio.fixture
async def reset(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> Providers:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{providers.origin('dashscope')}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", "k")
    return providers


async def begin(**fields: Any) -> Any:
    given = {"model": "happyhorse-1.0-t2v", "prompt": "a horse", "resolution": "720P", "duration": 4, **fields}
    return await asyncio.to_thread(VideoSynthesis.async_call, **given)


async def test_a_film_is_begun_waited_for_and_fetched(reset: Providers) -> None:
    begun = await begin(ratio="9:16", watermark=False)
    assert (begun.status_code, begun.output.task_status) == (HTTPStatus.OK, "PENDING")
    done = await asyncio.to_thread(VideoSynthesis.wait, begun)
    assert (done.output.task_status, done.usage["output_video_duration"], done.usage["SR"]) == ("SUCCEEDED", 4, 720)
    async with aiohttp.ClientSession() as http, http.get(done.output.video_url) as film:
        assert film.content_type == "video/mp4"


async def test_a_film_is_waited_for_in_one_call(reset: Providers) -> None:
    done = await asyncio.to_thread(VideoSynthesis.call, model="happyhorse-1.0-t2v", prompt="a horse", duration=3)
    assert (done.status_code, done.output.task_status) == (HTTPStatus.OK, "SUCCEEDED")
    assert (done.usage["duration"], done.usage["SR"]) == (3, 1080)


async def test_media_go_as_the_client_sends_them(reset: Providers) -> None:
    media = [{"type": "first_frame", "url": "https://frames.example/a.png"}]
    begun = await begin(model="happyhorse-1.0-i2v", media=media)
    assert begun.status_code == HTTPStatus.OK
    (call,) = reset.calls("dashscope")
    assert call["request"]["input"]["media"] == media


async def test_refusals_are_flat_and_failures_come_at_200(reset: Providers) -> None:
    refused = await begin(duration=99)
    assert (refused.status_code, refused.code) == (HTTPStatus.BAD_REQUEST, "InvalidParameter")
    reset.dial("dashscope", "policy_output")
    begun = await begin()
    done = await asyncio.to_thread(VideoSynthesis.fetch, begun)
    assert (done.status_code, done.output.task_status) == (HTTPStatus.OK, "FAILED")
    assert done.output["code"] == "DataInspectionFailed"


async def test_only_what_waits_can_be_cancelled(reset: Providers) -> None:
    reset.dial("dashscope", render_ms=60_000, queue_ms=60_000)
    begun = await begin()
    assert (await asyncio.to_thread(VideoSynthesis.cancel, begun)).status_code == HTTPStatus.OK
    again = await asyncio.to_thread(VideoSynthesis.cancel, begun)
    assert (again.status_code, again.code) == (HTTPStatus.BAD_REQUEST, "UnsupportedOperation")
    assert (await asyncio.to_thread(VideoSynthesis.fetch, begun)).output.task_status == "CANCELED"
