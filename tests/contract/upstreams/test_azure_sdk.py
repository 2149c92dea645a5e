"""OpenAI's own client for Azure against the stand-in: its wire is the one it speaks."""

import io
from collections.abc import AsyncIterator

import openai
import pybase64
import pytest
import pytest_asyncio
from PIL import Image

from support.providers import Providers


@pytest_asyncio.fixture
async def client(providers: Providers) -> AsyncIterator[openai.AsyncAzureOpenAI]:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=providers.origin("azure"), api_key="k", api_version="2025-04-01-preview", max_retries=0
    ) as made:
        yield made


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-1.5"])
async def test_a_picture_is_drawn_by_the_deployment_of_that_name(
    client: openai.AsyncAzureOpenAI, providers: Providers, model: str
) -> None:
    answer = await client.images.generate(model=model, prompt="a deployment", size="1024x1024", quality="low")
    assert answer.data and answer.data[0].b64_json
    with Image.open(io.BytesIO(pybase64.b64decode(answer.data[0].b64_json))) as picture:
        assert picture.size == (1024, 1024)
    (call,) = providers.calls("azure", "a deployment")
    assert call["model"] == model


async def test_a_picture_is_edited(client: openai.AsyncAzureOpenAI) -> None:
    given = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(given, "PNG")
    answer = await client.images.edit(model="gpt-image-2", prompt="bluer", image=("a.png", given.getvalue()))
    assert answer.data and answer.data[0].b64_json


@pytest.mark.parametrize(
    ("scenario", "kind", "code"),
    [
        ("policy_input", openai.BadRequestError, "contentFilter"),
        ("auth", openai.AuthenticationError, "401"),
        ("429", openai.RateLimitError, None),
        ("500", openai.InternalServerError, None),
    ],
)
async def test_refusals_are_the_clients_errors(
    client: openai.AsyncAzureOpenAI, providers: Providers, scenario: str, kind: type[Exception], code: str | None
) -> None:
    providers.dial("azure", scenario)
    with pytest.raises(kind) as refused:
        await client.images.generate(model="gpt-image-2", prompt="no")
    assert isinstance(refused.value, openai.APIStatusError)
    if code is not None:
        assert refused.value.code == code


async def test_a_missing_deployment_is_not_found(client: openai.AsyncAzureOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.images.generate(model="gpt-image-9", prompt="no")
    assert missing.value.code == "DeploymentNotFound"
