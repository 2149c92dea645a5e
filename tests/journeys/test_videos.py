"""Videos with the stock SDK, through all five services."""

import io
from collections.abc import Callable
from typing import Any

import av
import openai
import pytest
from PIL import Image

from support.stack import Stack

Sdk = Callable[..., openai.AsyncOpenAI]

PROMPT = "waves under the lighthouse"
MODEL: Any = "seedance-2.0"


def film(body: bytes) -> tuple[int, int, int]:
    """Width, height and number of decodable frames."""
    with av.open(io.BytesIO(body)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        return stream.codec_context.width, stream.codec_context.height, frames


def a_frame() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 36), "navy").save(out, "PNG")
    return out.getvalue()


async def test_create_poll_and_download_with_the_stock_sdk(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(10_000)
    client = sdk(account)
    video = await client.videos.create_and_poll(model=MODEL, prompt=PROMPT, seconds="4", size="1280x720")
    assert (video.status, video.seconds, video.size, video.progress) == ("completed", "4", "1280x720", 100)
    assert video.expires_at
    body = await client.videos.download_content(video.id)
    width, height, frames = film(await body.aread())
    assert width > 0
    assert height > 0
    assert frames > 1
    charged = video.model_dump()["credits"]["charged"]
    _, left = await stack.native("GET", "/balance", account)
    assert left["available_credits"] == 10_000 - charged
    assert left["held_credits"] == 0


async def test_a_video_begins_with_the_frame_that_was_uploaded(stack: Stack, sdk: Sdk) -> None:
    client = sdk()
    video = await client.videos.create_and_poll(
        model=MODEL, prompt=PROMPT, seconds="4", input_reference=("frame.png", a_frame(), "image/png")
    )
    assert video.status == "completed"
    rows = stack.query(
        "select mode from gateway.jobs where job_id = %(job)s::uuid", job=video.id.removeprefix("video_")
    )
    assert rows == [{"mode": "first_frame"}]


async def test_extra_form_fields_are_understood_as_json_would_be(stack: Stack, sdk: Sdk) -> None:
    video = await sdk().videos.create(
        model=MODEL, prompt=PROMPT, extra_body={"generate_audio": False, "resolution": "480p", "aspect_ratio": "1:1"}
    )
    assert video.size == "480x480"


async def test_videos_are_listed_page_by_page(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(10_000)
    client = sdk(account)
    made = [(await client.videos.create(model=MODEL, prompt=PROMPT, seconds="4")).id for _ in range(3)]
    listed = [video.id async for video in client.videos.list(limit=2)]
    assert listed == made[::-1]
    rising = [video.id async for video in client.videos.list(limit=2, order="asc")]
    assert rising == made


async def test_a_mistake_in_a_form_names_its_field(stack: Stack, sdk: Sdk) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk().videos.create(model=MODEL, prompt=PROMPT, seconds="99")  # type: ignore[arg-type]
    assert refused.value.param == "seconds"
    with pytest.raises(openai.BadRequestError) as callback:
        await sdk().videos.create(
            model=MODEL, prompt=PROMPT, extra_body={"callback_url": "http://169.254.169.254/latest"}
        )
    assert callback.value.param == "callback_url"


async def test_a_refused_video_reads_as_failed_and_costs_nothing(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(10_000)
    client = sdk(account)
    for simulator in ("ark", "fal", "replicate"):
        await stack.dial(simulator, scenario="500")
    try:
        video = await client.videos.create_and_poll(model=MODEL, prompt=PROMPT, seconds="4")
    finally:
        await stack.reset("ark", "fal", "replicate")
    assert video.status == "failed"
    assert video.error
    assert video.error.code == "upstream_unavailable"
    _, left = await stack.native("GET", "/balance", account)
    assert (left["available_credits"], left["held_credits"]) == (10_000, 0)


async def test_a_strangers_video_is_not_found(stack: Stack, sdk: Sdk) -> None:
    video = await sdk().videos.create(model=MODEL, prompt=PROMPT, seconds="4")
    with pytest.raises(openai.NotFoundError):
        await sdk(stack.account(1)).videos.retrieve(video.id)
