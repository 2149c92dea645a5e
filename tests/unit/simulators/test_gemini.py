"""What is surprising about Google's image models, as the stand-ins show it."""

import io
import json
from typing import Any

import aiohttp
import pybase64
import pytest
from PIL import Image

from support.providers import Providers

PATHS = {
    "gemini": "/v1beta/models/",
    "vertex": "/v1/projects/p/locations/europe-west4/publishers/google/models/",
}
KEYS = {"gemini": {"x-goog-api-key": "k"}, "vertex": {"authorization": "Bearer t"}}
TEXT = {"text": "a cat"}


async def ask(
    providers: Providers,
    name: str = "gemini",
    *parts: dict[str, Any],
    model: str = "gemini-3-pro-image",
    headers: dict[str, str] | None = None,
    body: dict[str, Any] | None = None,
    **config: Any,
) -> tuple[int, Any]:
    url = f"{providers.origin(name)}{PATHS[name]}{model}:generateContent"
    sent = {"contents": [{"role": "user", "parts": [*parts] or [TEXT]}], "generationConfig": config, **(body or {})}
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            url, data=io.BytesIO(json.dumps(sent).encode()), headers=KEYS[name] if headers is None else headers
        ) as answer,
    ):
        return answer.status, await answer.json()


def picture(size: int = 3) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": pybase64.b64encode(bytes(size)).decode()}}


@pytest.mark.parametrize(
    ("model", "config", "size", "tokens"),
    [
        ("gemini-3-pro-image", {"aspectRatio": "21:9", "imageSize": "1K"}, (1584, 672), 1120),
        ("gemini-3-pro-image", {"image_size": "2K"}, (2048, 2048), 1120),
        ("gemini-3.1-flash-image", {"aspectRatio": "1:8", "imageSize": "512"}, (192, 1536), 747),
        ("gemini-2.5-flash-image", {"aspectRatio": "16:9"}, (1344, 768), 1290),
    ],
)
async def test_each_model_draws_its_own_frames(providers, model, config, size, tokens):
    status, answer = await ask(providers, model=model, imageConfig=config)
    assert status == 200
    (blob,) = [part["inlineData"] for part in answer["candidates"][0]["content"]["parts"] if "inlineData" in part]
    with Image.open(io.BytesIO(pybase64.b64decode(blob["data"], validate=True))) as drawn:
        drawn.load()
        assert drawn.size == size
    assert answer["usageMetadata"]["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": tokens}]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gemini", {"imageConfig": {"aspectRatio": "1:3"}}),
        ("gemini", {"imageConfig": {"aspectRatio": "1:8"}}),
        ("gemini", {"imageConfig": {"imageSize": "512"}}),
        ("gemini", {"imageConfig": {"imageOutputOptions": {"mimeType": "image/png"}}}),
        ("gemini", {"imageConfig": {"colour": "red"}}),
        ("vertex", {"imageConfig": {"imageOutputOptions": {"mimeType": "image/webp"}}}),
        ("gemini", {"model": "gemini-2.5-flash-image", "imageConfig": {"imageSize": "1K"}}),
        ("gemini", {"candidateCount": 2}),
        ("gemini", {"responseModalities": ["AUDIO"]}),
        ("gemini", {"body": {"labels": {"a": "b"}}}),
        ("gemini", {"body": {"contents": []}}),
        ("gemini", {"body": {"contents": [{"parts": [{}]}]}}),
        ("vertex", {"body": {"contents": [{"parts": [TEXT]}]}}),
        ("gemini", {"parts": [{"inlineData": {"mimeType": "image/gif", "data": "AA=="}}]}),
        ("gemini", {"parts": [{"inlineData": {"mimeType": "image/png", "data": "?"}}]}),
        ("gemini", {"parts": [picture()] * 15}),
        ("gemini", {"parts": [picture()] * 4, "model": "gemini-2.5-flash-image"}),
        ("gemini", {"parts": [picture(16 * 2**20)]}),
        ("gemini", {"body": {"safetySettings": [{"category": "HARM", "threshold": "OFF"}]}}),
    ],
)  # fmt: skip
async def test_what_is_not_allowed_is_an_invalid_argument(providers, name, change):
    parts = [TEXT, *change.get("parts", [])]
    status, answer = await ask(providers, name, *parts, **{key: change[key] for key in change if key != "parts"})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert not any(call["accepted"] for call in providers.calls(name))


@pytest.mark.parametrize(
    ("name", "headers", "status", "reason"),
    [("gemini", {}, 403, "PERMISSION_DENIED"), ("gemini", KEYS["vertex"], 403, "PERMISSION_DENIED"),
     ("vertex", {}, 401, "UNAUTHENTICATED"), ("vertex", KEYS["gemini"], 401, "UNAUTHENTICATED")],
)  # fmt: skip
async def test_each_door_has_its_own_key(providers, name, headers, status, reason):
    found, answer = await ask(providers, name, headers=headers)
    assert (found, answer["error"]["status"]) == (status, reason)


async def test_a_wrong_key_of_the_gemini_api_is_an_invalid_argument(providers):
    providers.dial("gemini", "auth")
    status, answer = await ask(providers)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer["error"]["details"][0]["reason"] == "API_KEY_INVALID"


async def test_a_retired_model_is_not_found(providers):
    status, answer = await ask(providers, model="gemini-2.0-flash-preview-image-generation")
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")


async def test_an_error_may_come_in_a_list(providers):
    providers.dial("vertex", "billing_disabled")
    status, answer = await ask(providers, "vertex")
    assert (status, [one["error"]["code"] for one in answer]) == (403, [403])


async def test_the_journal_keeps_no_text_and_no_picture(providers):
    system = {"parts": [{"text": "be secret"}]}
    await ask(providers, "gemini", {"text": "a secret cat"}, picture(), body={"systemInstruction": system})
    await ask(providers, "gemini", {"text": "a secret"}, {"text": "secret dog"})
    calls = providers.calls("gemini")
    assert [call["status"] for call in calls] == [200, 200]
    assert "secret" not in str(calls) and "AAAA" not in str(calls)
    assert len(providers.calls("gemini", "a secret cat")) == 1


@pytest.mark.parametrize("assertion", ["", "a.b.c", "e30.e30.x"])
async def test_a_token_is_only_given_for_a_claim(providers, assertion):
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    async with (
        aiohttp.ClientSession() as http,
        http.post(providers.origin("vertex") + "/token", data=form) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_grant")
