"""Pictures with the stock SDK, through all five services."""

import asyncio
import base64
import io
from collections.abc import Callable

import aiohttp
import openai
import pytest
from PIL import Image

from support.stack import Stack

Sdk = Callable[..., openai.AsyncOpenAI]

PROMPT = "a lighthouse at dawn"


def picture(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


async def balance(stack: Stack, account: object) -> float:
    status, body = await stack.native("GET", "/balance", account)  # type: ignore[arg-type]
    assert status == 200
    return float(body["available_credits"])


async def test_a_stock_sdk_gets_a_picture_by_url_for_exactly_the_quoted_price(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    client = sdk(account)
    model = (await client.models.retrieve("gpt-image-2")).model_dump()
    answer = await client.images.generate(model="gpt-image-2", prompt=PROMPT, size="1024x1024", quality="low")
    assert answer.data
    async with aiohttp.ClientSession() as http:
        async with http.get(str(answer.data[0].url)) as fetched:
            body = await fetched.read()
        async with http.head(str(answer.data[0].url), allow_redirects=True) as looked_at:
            assert (looked_at.status, looked_at.content_length) == (200, len(body))
    image = picture(body)
    assert (image.format, image.size) == ("PNG", (1024, 1024))
    charged = answer.model_dump()["credits"]["charged"]
    assert charged in {price["credits"] for price in model["prices"]}
    assert await balance(stack, account) == 1_000 - charged


async def test_a_stock_sdk_gets_pictures_by_b64(stack: Stack, sdk: Sdk) -> None:
    answer = await sdk().images.generate(
        model="gpt-image-2", prompt=PROMPT, n=2, response_format="b64_json", output_format="jpeg", quality="low"
    )
    assert answer.data
    assert len(answer.data) == 2
    for one in answer.data:
        assert picture(base64.b64decode(one.b64_json or "")).format == "JPEG"


async def test_respond_async_gives_a_task_that_completes(stack: Stack, sdk: Sdk) -> None:
    raw = await sdk().images.with_raw_response.generate(
        model="gpt-image-2", prompt=PROMPT, quality="low", extra_headers={"Prefer": "respond-async"}
    )
    assert raw.http_response.status_code == 202
    task = raw.http_response.json()
    status, finished = await stack.native("GET", f"/tasks/{task['id']}?wait=30")
    assert (status, finished["status"], finished["prompt"]) == (200, "completed", None)
    assert finished["credits"]["reserved"] == finished["credits"]["charged"] > 0


async def test_the_native_family_submits_and_polls(stack: Stack) -> None:
    status, task = await stack.native(
        "POST", "/images/generations", json={"model": "gpt-image-2", "prompt": PROMPT, "size": "16:9"}
    )
    assert (status, set(task)) == (200, {"id", "model", "status", "created_at"})
    async with asyncio.timeout(60):
        while task["status"] == "processing":
            _, task = await stack.native("GET", f"/tasks/{task['id']}?wait=10")
    assert task["output"]["image_urls"]
    async with aiohttp.ClientSession() as http, http.get(task["output"]["image_urls"][0]) as fetched:
        assert picture(await fetched.read()).size == (1280, 720)


async def test_an_account_without_credits_is_told_once_and_not_retried(stack: Stack, sdk: Sdk) -> None:
    account = stack.account("0.001")
    client = sdk(account, max_retries=2)
    with pytest.raises(openai.RateLimitError) as refused:
        await client.images.generate(model="gpt-image-2", prompt=PROMPT)
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.request_id
    status, body = await stack.native(
        "POST", "/images/generations", account, json={"model": "gpt-image-2", "prompt": PROMPT}
    )
    assert (status, body["error"]["code"]) == (402, "insufficient_quota")


@pytest.mark.parametrize(
    ("options", "error", "param"),
    [
        ({"model": "no-such-model", "prompt": PROMPT}, openai.NotFoundError, "model"),
        ({"model": "gpt-image-2", "prompt": PROMPT, "n": 99}, openai.BadRequestError, "n"),
        ({"model": "gpt-image-2", "prompt": PROMPT, "size": "1x1"}, openai.BadRequestError, "size"),
    ],
)
async def test_a_mistake_is_the_sdks_own_error_class(
    stack: Stack, sdk: Sdk, options: dict[str, object], error: type[openai.APIStatusError], param: str
) -> None:
    with pytest.raises(error) as refused:
        await sdk().images.generate(**options)  # type: ignore[call-overload]
    assert refused.value.param == param  # type: ignore[attr-defined]


async def test_a_wrong_key_is_an_authentication_error(stack: Stack) -> None:
    client = openai.AsyncOpenAI(base_url=stack["REAPI_BASE_URL"], api_key="rk_live_" + "x" * 40)
    async with client:
        with pytest.raises(openai.AuthenticationError):
            await client.images.generate(model="gpt-image-2", prompt=PROMPT)


async def test_one_idempotency_key_is_one_charge(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    client = sdk(account)
    answers = await asyncio.gather(
        *(
            client.images.generate(
                model="gpt-image-2", prompt=PROMPT, quality="low", extra_headers={"Idempotency-Key": "same"}
            )
            for _ in range(10)
        )
    )
    assert len({answer.model_dump()["id"] for answer in answers}) == 1
    assert await balance(stack, account) == 1_000 - answers[0].model_dump()["credits"]["charged"]


async def test_a_client_that_gives_up_and_repeats_pays_once(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    await stack.dial("openai", delay_ms=2_000)
    try:
        answer = await sdk(account, timeout=1.2, max_retries=3).images.generate(
            model="gpt-image-2", prompt="a repeated lighthouse", quality="low"
        )
    finally:
        await stack.reset("openai")
    assert answer.data
    jobs = stack.query(
        "select count(*) as jobs from gateway.jobs where account_id = %(account)s", account=account.account_id
    )
    assert jobs == [{"jobs": 1}]
    assert await balance(stack, account) == 1_000 - answer.model_dump()["credits"]["charged"]
