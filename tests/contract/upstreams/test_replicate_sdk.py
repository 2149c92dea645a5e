"""Replicate's own client against the stand-in: its wire is the one it speaks."""

import asyncio
import io
from collections.abc import Iterator

import httpx
import pytest
import replicate
from PIL import Image
from replicate.exceptions import ReplicateError
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import Account
from dispatcher.upstreams.replicate import Replicate
from simulators.replicate.webhooks import Signer
from support.providers import Providers

FILM = "bytedance/seedance-2.0"
PICTURE = "google/nano-banana-2"


@pytest.fixture
def client(providers: Providers) -> Iterator[replicate.Client]:
    made = replicate.Client(api_token="t", base_url=providers.origin("replicate"))
    yield made
    made._client.close()


async def test_a_film_is_created_waited_for_and_fetched(client: replicate.Client) -> None:
    given = {"prompt": "waves", "duration": 4, "resolution": "480p"}
    prediction = await asyncio.to_thread(client.models.predictions.create, FILM, given)
    assert (prediction.model, prediction.status) == (FILM, "succeeded")
    again = await asyncio.to_thread(client.predictions.get, prediction.id)
    film = await asyncio.to_thread(httpx.get, again.output)
    assert film.headers["content-type"] == "video/mp4"
    assert prediction.metrics is not None
    assert prediction.metrics["video_output_duration_seconds"] == 4


async def test_run_gives_a_picture(client: replicate.Client) -> None:
    output = await asyncio.to_thread(client.run, PICTURE, {"prompt": "a cat", "aspect_ratio": "16:9"}, wait=5)
    # A file object it would be over https only.
    answer = await asyncio.to_thread(httpx.get, str(output))
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.width > picture.height


async def test_a_failure_is_a_model_error_and_a_refused_input_a_replicate_error(
    client: replicate.Client, providers: Providers
) -> None:
    with pytest.raises(ReplicateError) as refused:
        await asyncio.to_thread(client.models.predictions.create, FILM, {"prompt": "x", "duration": 99})
    assert refused.value.status == 422
    assert "input.duration" in str(refused.value.detail)
    providers.dial("replicate", "policy_output")
    prediction = await asyncio.to_thread(client.models.predictions.create, FILM, {"prompt": "x"})
    assert prediction.status == "failed"
    assert "E005" in str(prediction.error)


async def test_what_runs_can_be_cancelled_and_is_listed(client: replicate.Client, providers: Providers) -> None:
    providers.dial("replicate", "never_finishes", render_ms=60_000)
    prediction = await asyncio.to_thread(client.models.predictions.create, FILM, {"prompt": "x"})
    assert prediction.status in {"starting", "processing"}
    await asyncio.to_thread(prediction.cancel)
    assert prediction.status == "canceled"
    page = await asyncio.to_thread(client.predictions.list)
    assert [one.id for one in page.results] == [prediction.id]


async def test_both_sides_take_the_signatures_for_good_and_no_others(
    client: replicate.Client, providers: Providers
) -> None:
    told = await asyncio.to_thread(client.webhooks.default.secret)
    assert isinstance(told, WebhookSigningSecret)
    body = b'{"id":"x","status":"succeeded"}'
    headers = Signer().headers(body)
    Webhooks.validate(headers=headers, body=body.decode(), secret=told)
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=headers, body=body.decode() + " ", secret=told)
    http = await Client().start()
    ours = Replicate(http, Account("replicate", f"{providers.origin('replicate')}/v1", "t", ()))
    assert await ours.genuine(headers, body)
    assert not await ours.genuine(headers, body + b" ")
    assert not await ours.genuine(Signer(b"another").headers(body), body)
    assert not await ours.genuine({**headers, "webhook-timestamp": "1"}, body)
    assert not await ours.genuine({}, body)
    await http.stop()
