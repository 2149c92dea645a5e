"""ByteDance's own client against Ark's stand-in: pictures, and the life of a video task."""

import asyncio
import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from byteplussdkarkruntime import Ark
from byteplussdkarkruntime._exceptions import ArkBadRequestError, ArkNotFoundError, ArkRateLimitError
from byteplussdkarkruntime.types.images import SequentialImageGenerationOptions
from PIL import Image

from support.providers import Providers

PICTURES = "seedream-5-0-260128"
FILMS = "dreamina-seedance-2-0-260128"
TEXT = {"type": "text", "text": "waves"}


@pytest.fixture
def ark(providers: Providers) -> Iterator[Ark]:
    with httpx.Client() as http:
        url = providers.origin("ark") + "/api/v3"
        yield Ark(base_url=url, api_key="k", max_retries=0, http_client=http, timeout=20)


async def call(of: Callable[..., Any], *args: Any, **fields: Any) -> Any:
    """In a thread: the stand-in lives in this loop."""
    return await asyncio.to_thread(of, *args, **fields)


async def test_a_picture_by_url_and_one_inline(ark: Ark):
    answer = await call(
        ark.images.generate, model=PICTURES, prompt="a cat", size="2K", watermark=False, output_format="png"
    )
    assert (answer.data[0].size, answer.usage.generated_images, answer.model) == ("2048x2048", 1, PICTURES)
    assert answer.data[0].url.startswith("http")
    inline = await call(ark.images.generate, model=PICTURES, prompt="a cat", response_format="b64_json")
    with Image.open(io.BytesIO(base64.b64decode(inline.data[0].b64_json))) as picture:
        assert picture.size == (2048, 2048)


async def test_a_sequence_with_references(ark: Ark):
    answer = await call(
        ark.images.generate,
        model=PICTURES,
        prompt="two cats",
        image=["https://example.com/a.png", "data:image/png;base64,AAAA"],
        sequential_image_generation="auto",
        sequential_image_generation_options=SequentialImageGenerationOptions(max_images=2),
    )
    assert (len(answer.data), answer.usage.generated_images, answer.usage.input_images) == (2, 2, 2)


async def test_the_items_of_a_refused_picture_say_why(ark: Ark, providers: Providers):
    providers.dial("ark", "policy_output")
    answer = await call(ark.images.generate, model=PICTURES, prompt="a cat")
    assert answer.data[0].error["code"] == "OutputImageSensitiveContentDetected"
    assert answer.usage.generated_images == 0


async def test_a_stream_of_pictures_is_read_to_its_sum(ark: Ark):
    def streamed() -> list[Any]:
        return list(ark.images.generate(model=PICTURES, prompt="a cat", stream=True))

    events = await call(streamed)
    assert [event.type for event in events] == [
        "image_generation.partial_succeeded",
        "image_generation.completed",
    ]
    assert events[0].size == "2048x2048"
    # The client tells its events apart by nothing but their fields, and leaves the sum as it came.
    assert events[1].usage["generated_images"] == 1


@pytest.mark.parametrize(
    ("scenario", "error", "code"),
    [
        ("policy_input", ArkBadRequestError, "InputTextSensitiveContentDetected"),
        ("404", ArkNotFoundError, "InvalidEndpointOrModel.NotFound"),
        ("429", ArkRateLimitError, "RateLimitExceeded.EndpointRPMExceeded"),
    ],
)
async def test_refusals_are_read(ark: Ark, providers: Providers, scenario: str, error: type, code: str):
    providers.dial("ark", scenario)
    with pytest.raises(error) as caught:
        await call(ark.images.generate, model=PICTURES, prompt="a cat")
    assert caught.value.code == code
    with pytest.raises(error) as caught:
        await call(ark.content_generation.tasks.create, model=FILMS, content=[TEXT])
    assert caught.value.code == code


async def test_a_task_is_made_found_listed_and_forgotten(ark: Ark):
    tasks = ark.content_generation.tasks
    made = await call(tasks.create, model=FILMS, content=[TEXT], duration=4, resolution="480p", ratio="1:1")
    task = await call(tasks.get, task_id=made.id)
    assert (task.status, task.ratio, task.duration, task.framespersecond) == ("succeeded", "1:1", 4, 24)
    assert task.content.video_url.startswith("http")
    assert task.usage.completion_tokens == 640 * 640 * 24 * 4 // 1024
    listed = await call(tasks.list, status="succeeded", task_ids=[made.id], page_size=5)
    assert (listed.total, [one.id for one in listed.items]) == (1, [made.id])
    await call(tasks.delete, task_id=made.id)
    with pytest.raises(ArkNotFoundError):
        await call(tasks.get, task_id=made.id)


async def test_every_role_goes_in_by_the_clients_own_words(ark: Ark, providers: Providers):
    content = [
        TEXT,
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "role": "reference_image"},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}, "role": "reference_video"},
        {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}, "role": "reference_audio"},
    ]
    await call(ark.content_generation.tasks.create, model=FILMS, content=content, generate_audio=True)
    (seen,) = providers.calls("ark")
    roles = [part.get("role") for part in seen["request"]["content"]]
    assert roles == [None, "reference_image", "reference_video", "reference_audio"]


async def test_a_failed_task_says_why(ark: Ark, providers: Providers):
    providers.dial("ark", "policy_output")
    made = await call(ark.content_generation.tasks.create, model=FILMS, content=[TEXT])
    task = await call(ark.content_generation.tasks.get, task_id=made.id)
    assert (task.status, task.error.code) == ("failed", "OutputVideoSensitiveContentDetected")
