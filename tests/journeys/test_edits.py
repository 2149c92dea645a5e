"""Pictures from pictures, with the stock SDK, through all five services."""

import base64
import io
from collections.abc import Callable

import aiohttp
import openai
import pytest
from PIL import Image

from support.jobs import fingerprint
from support.stack import Stack

Sdk = Callable[..., openai.AsyncOpenAI]
PRICE = {"quality": "low", "size": "1024x1024"}


def picture(colour: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (256, 256), colour).save(out, "PNG")
    return out.getvalue()


async def asked(stack: Stack, prompt: str) -> dict:
    """What OpenAI was asked for this prompt."""
    (call,) = [one for one in await stack.calls("openai", "submit") if one["prompt"] == fingerprint(prompt)]
    return call["request"]


async def test_one_picture_with_a_mask(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    prompt = "the same lighthouse, without the boat"
    answer = await sdk(account).images.edit(
        model="gpt-image-2",
        image=("harbour.png", picture("navy"), "image/png"),
        mask=("mask.png", picture("white", "RGBA"), "image/png"),
        prompt=prompt,
        **PRICE,
    )
    assert answer.data and answer.data[0].url
    assert answer.model_dump()["credits"] == {"reserved": 36.8, "charged": 36.8, "refunded": 0}
    async with aiohttp.ClientSession() as http, http.get(answer.data[0].url) as file:
        assert Image.open(io.BytesIO(await file.read())).size == (1024, 1024)
    request = await asked(stack, prompt)
    assert (len(request["image"]), len(request["mask"]), request["n"]) == (1, 1, "1")
    assert "moderation" not in request


async def test_several_pictures_and_base64(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    prompt = "all three in one frame"
    answer = await sdk(account).images.edit(
        model="gpt-image-2",
        image=[(f"{colour}.png", picture(colour), "image/png") for colour in ("red", "green", "blue")],
        prompt=prompt,
        response_format="b64_json",
        n=2,
        **PRICE,
    )
    assert [Image.open(io.BytesIO(base64.b64decode(one.b64_json or ""))).size for one in answer.data or ()] == [
        (1024, 1024)
    ] * 2
    assert len((await asked(stack, prompt))["image"]) == 3


async def test_pictures_by_address_are_fetched_before_anything_is_held(stack: Stack, sdk: Sdk) -> None:
    account = stack.account(1_000)
    made = await sdk(account).images.generate(model="gpt-image-2", prompt="a source", **PRICE)
    _, balance = await stack.native("GET", "/balance", account)
    prompt = "after the picture at that address"
    source = {"prompt": prompt, "model": "gpt-image-2", **PRICE}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {account.api_key}"}) as http:
        url = stack["REAPI_BASE_URL"] + "/images/edits"
        link = made.data[0].url  # type: ignore[index]
        async with http.post(url, json={**source, "image_urls": [link]}) as answer:
            assert answer.status == 200, await answer.text()
        gone = {**source, "image_urls": [link.replace("s=", "s=0")]}
        async with http.post(url, json=gone) as answer:
            refused = await answer.json()
            assert (answer.status, refused["error"]["param"]) == (400, "image_urls")
            assert refused["error"]["code"] == "invalid_image_url"
        async with http.post(url, json=source) as answer:
            refused = await answer.json()
            assert (answer.status, refused["error"]["param"]) == (400, "image")
    assert len((await asked(stack, prompt))["image"]) == 1
    _, left = await stack.native("GET", "/balance", account)
    assert round(balance["available_credits"] - left["available_credits"], 3) == 36.8
    assert left["held_credits"] == 0


@pytest.mark.parametrize(
    ("image", "code"), [(b"no picture at all", "invalid_image_format"), (b"", "empty_image_file")]
)
async def test_what_is_no_picture_is_refused_and_costs_nothing(
    stack: Stack, sdk: Sdk, image: bytes, code: str
) -> None:
    account = stack.account(1_000)
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk(account).images.edit(model="gpt-image-2", image=("a.png", image, "image/png"), prompt="x", **PRICE)
    assert (refused.value.code, refused.value.param) == (code, "image")
    _, left = await stack.native("GET", "/balance", account)
    assert left["available_credits"] == 1_000
