"""fal's own client against the stand-in: its wire is the one it speaks."""

import asyncio
import io
from collections.abc import Iterator

import fal_client
import fal_client.client
import httpx
import pytest
import pytest_asyncio
from fal_client.client import FalClientHTTPError
from PIL import Image

from support.providers import Providers

PICTURE = "openai/gpt-image-2"
FILM = "bytedance/seedance-2.0/text-to-video"
SMALL = {"prompt": "a cat", "image_size": {"width": 512, "height": 512}, "quality": "low"}


@pytest_asyncio.fixture
async def providers(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> Providers:
    # The host can be named in the environment, https cannot be left out.
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{providers.origin('fal')}/")
    return providers


@pytest.fixture
def client(providers: Providers) -> Iterator[fal_client.SyncClient]:
    made = fal_client.SyncClient(key="k")
    yield made
    made._client.close()


async def test_a_picture_is_queued_waited_for_and_fetched(client: fal_client.SyncClient) -> None:
    seen: list[fal_client.Status] = []
    result = await asyncio.to_thread(
        client.subscribe, PICTURE, {**SMALL, "num_images": 2}, with_logs=True, on_queue_update=seen.append
    )
    assert isinstance(seen[-1], fal_client.Completed)
    assert seen[-1].logs is not None
    assert len(result["images"]) == 2
    answer = await asyncio.to_thread(httpx.get, result["images"][0]["url"])
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (512, 512)


async def test_a_handle_shows_the_states_and_the_film(client: fal_client.SyncClient, providers: Providers) -> None:
    providers.dial("fal", render_ms=1_000, queue_ms=400)
    handle = await asyncio.to_thread(client.submit, FILM, {"prompt": "waves", "duration": "4", "resolution": "480p"})
    first = await asyncio.to_thread(handle.status)
    assert isinstance(first, fal_client.Queued)
    await asyncio.sleep(0.6)
    second = await asyncio.to_thread(handle.status, with_logs=True)
    assert isinstance(second, fal_client.InProgress)
    result = await asyncio.to_thread(handle.get)
    film = await asyncio.to_thread(httpx.get, result["video"]["url"])
    assert film.headers["content-type"] == "video/mp4"
    # By the application's first two names and the id alone, as somebody who has lost the handle.
    again = await asyncio.to_thread(client.result, FILM, handle.request_id)
    assert again["video"]["url"].partition("?")[0] == result["video"]["url"].partition("?")[0]


async def test_what_is_wrong_with_an_input_is_told_with_the_result(client: fal_client.SyncClient) -> None:
    handle = await asyncio.to_thread(client.submit, PICTURE, {**SMALL, "quality": "best"})
    with pytest.raises(FalClientHTTPError) as refused:
        await asyncio.to_thread(handle.get)
    assert refused.value.status_code == 422
    assert refused.value.response.json()["detail"][0]["loc"] == ["body", "quality"]


@pytest.mark.parametrize(("scenario", "status"), [("auth", 401), ("quota", 403), ("404", 404)])
async def test_refusals_are_the_clients_errors(
    client: fal_client.SyncClient, providers: Providers, scenario: str, status: int
) -> None:
    providers.dial("fal", scenario)
    with pytest.raises(FalClientHTTPError) as refused:
        await asyncio.to_thread(client.submit, PICTURE, SMALL)
    assert refused.value.status_code == status
    assert isinstance(refused.value.message, str)


async def test_a_policy_violation_has_its_type(client: fal_client.SyncClient, providers: Providers) -> None:
    providers.dial("fal", "policy_output")
    handle = await asyncio.to_thread(client.submit, PICTURE, SMALL)
    with pytest.raises(FalClientHTTPError) as refused:
        await asyncio.to_thread(handle.get)
    assert refused.value.status_code == 422
    assert refused.value.response.json()["detail"][0]["type"] == "content_policy_violation"


async def test_what_waits_can_be_cancelled(client: fal_client.SyncClient, providers: Providers) -> None:
    providers.dial("fal", "never_finishes", render_ms=60_000)
    handle = await asyncio.to_thread(client.submit, FILM, {"prompt": "waves"})
    await asyncio.to_thread(handle.cancel)
    ended = await asyncio.to_thread(handle.status)
    assert isinstance(ended, fal_client.Completed)
    with pytest.raises(FalClientHTTPError) as late:
        await asyncio.to_thread(handle.cancel)
    assert late.value.status_code == 400
