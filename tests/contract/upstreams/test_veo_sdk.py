"""Google's own client makes films at the stand-in of Vertex AI: the wire of both is the one it speaks."""

import asyncio
import base64
import io
from collections.abc import Iterator

import av
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2 import credentials

from simulators.journal import redacted
from support.providers import Providers

MODEL = "veo-3.1-generate-001"
FRAME = types.Image(image_bytes=b"\xfb\xef\xff" * 100, mime_type="image/png")


@pytest.fixture
def client(providers: Providers) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=providers.origin("veo"), api_version="v1")
    token = credentials.Credentials(token="t")
    with genai.Client(
        vertexai=True, project="p", location="global", credentials=token, http_options=options
    ) as client:
        yield client


async def begun(client: genai.Client, model: str = MODEL, image: types.Image | None = None, **config: object):
    """In a thread: the client's own asynchronous transport keeps connections past the end of a test."""
    return await asyncio.to_thread(
        client.models.generate_videos,
        model=model,
        source=types.GenerateVideosSource(prompt="waves", image=image),
        config=types.GenerateVideosConfig(**config),
    )


async def done(client: genai.Client, operation: types.GenerateVideosOperation) -> types.GenerateVideosOperation:
    async with asyncio.timeout(60):
        while not operation.done:
            operation = await asyncio.to_thread(client.operations.get, operation)
    return operation


async def test_a_film_comes_inline_with_the_finished_operation(client):
    operation = await begun(client, duration_seconds=4, resolution="720p", aspect_ratio="9:16", seed=7)
    assert operation.name.startswith(f"projects/p/locations/global/publishers/google/models/{MODEL}/operations/")
    assert not operation.done
    ended = await done(client, operation)
    assert ended.error is None
    assert ended.response.rai_media_filtered_count == 0
    (made,) = ended.response.generated_videos
    assert (made.video.mime_type, made.video.uri) == ("video/mp4", None)
    with av.open(io.BytesIO(made.video.video_bytes)) as film:
        assert next(film.decode(film.streams.video[0])).width > 0
        assert len(film.streams.audio) == 1


async def test_all_that_the_client_can_say_is_understood(client, providers):
    reference = types.VideoGenerationReferenceImage(image=FRAME, reference_type="asset")
    operation = await begun(
        client,
        image=FRAME,
        number_of_videos=1,
        last_frame=FRAME,
        reference_images=[reference],
        duration_seconds=8,
        resolution="1080p",
        aspect_ratio="16:9",
        generate_audio=False,
        negative_prompt="rain",
        person_generation="allow_adult",
        enhance_prompt=True,
        compression_quality="OPTIMIZED",
        resize_mode="CROP",
        labels={"job": "1"},
    )
    assert operation.name
    (call,) = providers.calls("veo", "waves")
    (instance,) = call["request"]["instances"]
    assert sorted(instance) == ["image", "lastFrame", "prompt", "referenceImages"]
    printed = redacted(base64.b64encode(FRAME.image_bytes).decode())
    assert instance["image"]["bytesBase64Encoded"] == instance["lastFrame"]["bytesBase64Encoded"] == printed


async def test_a_film_that_was_filtered_is_no_error_to_the_client(client, providers):
    providers.dial("veo", "policy_output")
    ended = await done(client, await begun(client))
    assert ended.error is None
    assert not ended.response.generated_videos
    assert ended.response.rai_media_filtered_count == 1
    assert ended.response.rai_media_filtered_reasons


@pytest.mark.parametrize(("scenario", "code"), [("accepted_then_failed", 13), ("exhausted_late", 8)])
async def test_a_failed_operation_has_a_code_of_grpc(client, providers, scenario, code):
    providers.dial("veo", scenario)
    ended = await done(client, await begun(client))
    assert ended.error["code"] == code
    assert ended.response is None


@pytest.mark.parametrize(
    ("scenario", "code", "status"),
    [
        ("policy_input", 400, "INVALID_ARGUMENT"),
        ("auth", 401, "UNAUTHENTICATED"),
        ("404", 404, "NOT_FOUND"),
        ("429", 429, "RESOURCE_EXHAUSTED"),
        ("503", 503, "UNAVAILABLE"),
    ],
)
async def test_refusals_are_googles_errors(client, providers, scenario, code, status):
    providers.dial("veo", scenario)
    with pytest.raises(errors.APIError) as caught:
        await begun(client)
    assert (caught.value.code, caught.value.status) == (code, status)


async def test_a_model_that_was_shut_down_is_unknown(client):
    with pytest.raises(errors.APIError) as caught:
        await begun(client, "veo-3.1-generate-preview")
    assert caught.value.code == 404
