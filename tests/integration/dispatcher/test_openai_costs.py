"""What OpenAI's pictures cost is told by the tokens of its answers, at OpenAI and at Azure."""

import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image

from dispatcher.domain.jobs import Input
from dispatcher.upstreams.client import Client
from dispatcher.upstreams.openai_images import _cost_microusd
from simulators.openai.request import INPUT_TOKENS, TOKENS
from support.orders import an_order, speaking
from support.providers import Providers


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


@pytest.mark.parametrize(("provider", "path"), [("openai", "/v1"), ("azure", "/openai/deployments")])
@pytest.mark.parametrize(("model", "per_picture"), [("gpt-image-2", 30), ("gpt-image-1.5", 32)])
async def test_the_tokens_of_an_answer_are_its_cost(
    client: Client, providers: Providers, provider: str, path: str, model: str, per_picture: int
) -> None:
    upstream = speaking(f"{provider}-images", client, providers.origin(provider) + path)
    fields = {"size": "1024x1024", "quality": "medium", "n": 2}
    order = an_order(upstream_model=model, texts={"prompt": "cost"}, fields=fields, outputs=2)
    produced = await upstream.submit(order, lambda: None)
    assert produced.cost_microusd == 2 * 5 + 2 * TOKENS["medium"] * per_picture
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    given = an_order(
        upstream_model=model,
        texts={"prompt": "cost"},
        fields={**fields, "n": 1},
        inputs=(Input("image", body=picture.getvalue(), media_type="image/png"),),
    )
    edited = await upstream.submit(given, lambda: None)
    assert edited.cost_microusd == 2 * 5 + INPUT_TOKENS * 8 + TOKENS["medium"] * per_picture


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        # Without details, all of it is the dearer kind.
        ({"input_tokens": 10, "output_tokens": 100}, 10 * 8 + 100 * 30),
        ({"input_tokens": 10, "output_tokens": 100, "input_tokens_details": {"text_tokens": 90}}, 10 * 5 + 3_000),
        ({"output_tokens": 100, "output_tokens_details": {"text_tokens": 40}}, 60 * 30 + 40 * 10),
        ({"input_tokens": "10", "output_tokens": -1}, None),
        ({}, None),
        (None, None),
        ("many", None),
    ],
)
def test_odd_usage_is_no_riddle(usage: object, cost: int | None) -> None:
    assert _cost_microusd(usage, "gpt-image-2") == cost
    assert _cost_microusd(usage, "gpt-image-9") is None
