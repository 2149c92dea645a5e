"""What Ark is told: one picture for each call, every role of a film, where to call back."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from common.contracts import JobGenerated
from common.contracts.body import BodyInput
from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Input, Link
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.protocol import CallingBack, Upstream
from support.orders import an_order, speaking
from support.providers import Providers

FILMS = "dreamina-seedance-2-0-260128"
PICTURES = "seedream-5-0-260128"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


def ark(protocol: str, client: Client, providers: Providers) -> Upstream:
    return speaking(protocol, client, providers.origin("ark") + "/api/v3")


async def test_three_pictures_are_three_calls_for_one_each(dispatcher, providers):
    verdict = await dispatcher.run("seedream-5.0-lite", "three", n=3)
    assert isinstance(verdict, JobGenerated) and len(verdict.outputs) == 3
    calls = providers.calls("ark", "three")
    assert len(calls) == 3
    assert {call["request"]["sequential_image_generation"] for call in calls} == {"disabled"}


async def test_references_are_a_list_even_when_there_is_one(dispatcher, providers):
    image = BodyInput(role="image", url="https://pictures.example/cat.png")
    assert isinstance(await dispatcher.run("seedream-5.0-lite", "one cat", inputs=(image,)), JobGenerated)
    (call,) = providers.calls("ark", "one cat")
    assert call["request"] == {
        "model": PICTURES,
        "prompt": call["request"]["prompt"],
        "image": ["https://pictures.example/cat.png"],
        "size": "2048x2048",
        "output_format": "png",
        "response_format": "url",
        "sequential_image_generation": "disabled",
        "watermark": False,
    }


async def test_a_picture_is_a_link_of_the_type_asked_for(client, providers):
    order = an_order(upstream_model=PICTURES, fields={"size": "2560x1440", "output_format": "jpeg"})
    (output,) = (await ark("ark-images", client, providers).submit(order, lambda: None)).outputs
    assert isinstance(output, Link) and output.media_type == "image/jpeg"
    assert "/2560x1440.jpeg" in output.url


async def test_a_refused_picture_is_final_although_the_answer_is_200(client, providers):
    providers.dial("ark", "policy_output")
    with pytest.raises(UpstreamFailed) as caught:
        await ark("ark-images", client, providers).submit(an_order(upstream_model=PICTURES), lambda: None)
    assert (caught.value.failure.kind, caught.value.failure.code) == (FailureClass.CONTENT_POLICY, "picture_failed")


async def test_every_role_of_a_film_has_its_place_in_the_content(client, providers):
    inputs = (
        Input("reference_image", body=b"\x89PNG", media_type="image/png"),
        Input("reference_video", url="https://example.com/a.mp4"),
        Input("reference_audio", url="https://example.com/a.mp3"),
    )
    order = an_order(job_id=UUID(int=9), upstream_model=FILMS, texts={"prompt": "every role"}, inputs=inputs)
    await ark("ark-video", client, providers).submit(order, lambda: None)
    (call,) = providers.calls("ark", "every role")
    content = call["request"]["content"]
    assert [(part["type"], part.get("role")) for part in content] == [
        ("text", None),
        ("image_url", "reference_image"),
        ("video_url", "reference_video"),
        ("audio_url", "reference_audio"),
    ]
    assert content[2]["video_url"] == {"url": "https://example.com/a.mp4"}
    assert "callback_url" not in call["request"]


async def test_ark_is_told_where_to_call_and_signs_nothing(client, providers):
    upstream = ark("ark-video", client, providers)
    address = providers.origin("openai") + "/callbacks/ark/token"
    order = an_order(upstream_model=FILMS, texts={"prompt": "call me"}, callback_url=address)
    await upstream.submit(order, lambda: None)
    (call,) = providers.calls("ark", "call me")
    assert call["request"]["callback_url"] == address
    assert isinstance(upstream, CallingBack) and await upstream.genuine({}, b"whatever it says")
