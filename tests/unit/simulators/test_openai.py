import asyncio
import io
import time

import aiohttp
import openai as sdk
import pybase64
import pytest
from PIL import Image

from simulators.journal import fingerprint
from support.house import House

PATH = "/v1/images/generations"


async def _ask(house: House, prompt: str = "a cat", **fields: object):
    return await house.call("openai", "POST", PATH, json={"model": "gpt-image-2", "prompt": prompt, **fields})


async def test_a_call_answers_with_pictures_and_usage(house: House):
    status, body, headers = await _ask(house, n=2, size="1536x1024", quality="low")
    assert status == 200
    assert headers["x-request-id"].startswith("req_")
    assert (body["size"], body["quality"], body["output_format"]) == ("1536x1024", "low", "png")
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"]
    shown = {item["b64_json"] for item in body["data"]}
    assert len(shown) == 2
    for encoded in shown:
        with Image.open(io.BytesIO(pybase64.b64decode(encoded, validate=True))) as picture:
            picture.load()
            assert picture.size == (1536, 1024)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
async def test_other_formats_come_when_asked(house: House, kind: str):
    _, body, _ = await _ask(house, size="512x512", output_format=kind, output_compression=40)
    with Image.open(io.BytesIO(pybase64.b64decode(body["data"][0]["b64_json"]))) as picture:
        assert picture.format == kind.upper()


async def test_the_sdk_reads_answers_errors_and_streams(house: House):
    async with sdk.AsyncOpenAI(base_url=house.urls["openai"] + "/v1", api_key="k", max_retries=0) as client:
        answer = await client.images.generate(model="gpt-image-2", prompt="hi", size="auto")
        assert answer.data
        assert answer.usage
        with pytest.raises(sdk.BadRequestError) as wrong:
            await client.images.generate(model="gpt-image-2", prompt="hi", size="1000x1000")
        assert (wrong.value.param, wrong.value.code) == ("size", "invalid_value")
        stream = await client.images.generate(model="gpt-image-2", prompt="hi", stream=True, partial_images=1)
        assert [event.type async for event in stream] == [
            "image_generation.partial_image",
            "image_generation.completed",
        ]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"prompt": None}, 400, "missing_required_parameter", "prompt"),
        ({"prompt": ""}, 400, "invalid_value", "prompt"),
        ({"prompt": "x" * 32_001}, 400, "string_above_max_length", "prompt"),
        ({"model": "dall-e-3"}, 404, "model_not_found", "model"),
        ({"n": 11}, 400, "invalid_value", "n"),
        ({"n": "2"}, 400, "invalid_type", "n"),
        ({"size": "3856x3856"}, 400, "invalid_value", "size"),
        ({"size": "3840x1024"}, 400, "invalid_value", "size"),
        ({"size": "2048x2048", "model": "gpt-image-1.5"}, 400, "invalid_value", "size"),
        ({"quality": "best"}, 400, "invalid_value", "quality"),
        ({"colour": "red"}, 400, "unknown_parameter", "colour"),
        ({"background": "transparent", "output_format": "jpeg"}, 400, "invalid_value", "background"),
    ],
)
async def test_a_wrong_parameter_is_named(house: House, fields: dict, status: int, code: str, param: str):
    answered, body, headers = await _ask(house, **fields)
    assert (answered, body["error"]["code"], body["error"]["param"]) == (status, code, param)
    assert headers["x-request-id"]


async def test_a_body_that_is_no_json_is_refused(house: House):
    assert (await house.call("openai", "POST", PATH, data=b"{"))[0] == 400
    assert (await house.call("openai", "POST", PATH, data=b"[]"))[0] == 400


async def test_a_call_without_a_key_is_refused(house: House):
    status, body, _ = await house.call("openai", "POST", PATH, json={}, headers={"authorization": ""})
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("scenario", "status", "kind", "code", "is_accepted"),
    [
        ("429", 429, "requests", "rate_limit_exceeded", False),
        ("quota", 429, "insufficient_quota", "insufficient_quota", False),
        ("auth", 401, "invalid_request_error", "invalid_api_key", False),
        ("policy_input", 400, "image_generation_user_error", "moderation_blocked", False),
        ("policy_output", 400, "image_generation_user_error", "moderation_blocked", True),
        ("invalid", 400, "invalid_request_error", "invalid_value", False),
        ("500", 500, "server_error", "server_error", False),
        ("503", 503, "overloaded_error", None, False),
        ("accepted_then_failed", 500, "server_error", "server_error", True),
    ],
)
async def test_each_refusal_speaks_the_envelope(house, scenario, status, kind, code, is_accepted):
    await house.dial("openai", scenario)
    answered, body, headers = await _ask(house)
    assert (answered, body["error"]["type"], body["error"]["code"]) == (status, kind, code)
    assert "retry-after" not in headers
    (call,) = (await house.journal("openai"))["calls"]
    assert (call["scenario"], call["accepted"], call["status"]) == (scenario, is_accepted, status)


async def test_retry_after_is_what_the_dial_says(house: House):
    await house.dial("openai", "429_retry_after", retry_after_s=7)
    assert (await _ask(house))[2]["retry-after"] == "7"


@pytest.mark.parametrize(("scenario", "is_accepted"), [("hang", False), ("hang_after", True)])
async def test_a_hanging_call_is_written_down_and_never_answered(house: House, scenario: str, is_accepted: bool):
    await house.dial("openai", scenario)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await _ask(house)
    (call,) = (await house.journal("openai"))["calls"]
    assert (call["accepted"], call["answered"], call["status"]) == (is_accepted, None, None)


async def test_reset_tears_the_connection(house: House):
    await house.dial("openai", "reset")
    with pytest.raises((ConnectionResetError, aiohttp.ClientOSError)):
        await _ask(house)


async def test_refuse_refuses_connections_until_the_dial_is_turned_back(house: House):
    await house.dial("openai", "refuse")
    with pytest.raises(aiohttp.ClientConnectorError):
        await _ask(house)
    await house.dial("openai")
    assert (await _ask(house))[0] == 200


async def test_refuse_may_end_by_itself(house: House):
    answer = await house.call("openai", "PUT", "/__dials", json={"scenario": "refuse", "for_ms": 100})
    assert answer[0] == 200
    with pytest.raises(aiohttp.ClientConnectorError):
        await _ask(house)
    await asyncio.sleep(0.2)
    assert (await _ask(house))[0] == 200


async def test_lies_look_like_success(house: House):
    await house.dial("openai", "truncated_output")
    _, body, _ = await _ask(house)
    with Image.open(io.BytesIO(pybase64.b64decode(body["data"][0]["b64_json"]))) as picture, pytest.raises(OSError):
        picture.load()
    await house.dial("openai", "html_output")
    _, body, _ = await _ask(house)
    assert b"<html>" in pybase64.b64decode(body["data"][0]["b64_json"])
    await house.dial("openai", "empty_output")
    assert (await _ask(house))[1]["data"] == []
    await house.dial("openai", "expired_url")
    _, body, _ = await _ask(house)
    assert (await house.call("media", "GET", body["data"][0]["url"]))[0] == 403
    await house.dial("openai", "bad_json")
    with pytest.raises(ValueError):
        await _ask(house)


async def test_an_oversized_answer_is_as_long_as_the_dial_says(house: House):
    await house.dial("openai", "oversized_output", oversized_bytes=5_000_000)
    url = house.urls["openai"] + PATH
    body = {"model": "gpt-image-2", "prompt": "x"}
    async with house.http.post(url, json=body, headers={"authorization": "Bearer k"}) as answer:
        assert answer.content_length == 5_000_000
        assert len(await answer.read()) == 5_000_000


async def test_an_answer_that_never_finishes_starts_well(house: House):
    await house.dial("openai", "never_finishes")
    url = house.urls["openai"] + PATH
    body = {"model": "gpt-image-2", "prompt": "x"}
    async with house.http.post(url, json=body, headers={"authorization": "Bearer k"}) as answer:
        assert answer.status == 200
        assert (await answer.content.readexactly(11)) == b'{"created":'
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await answer.read()


async def test_the_journal_names_a_prompt_and_never_tells_it(house: House):
    await _ask(house, "a secret cat")
    journal = await house.journal("openai", prompt=fingerprint("a secret cat"))
    assert len(journal["calls"]) == 1
    assert journal["counts"]["by_operation"] == {"submit": 1}
    assert "secret" not in str(journal)
    assert journal["calls"][0]["answered"] >= journal["calls"][0]["monotonic"]


async def test_a_prompt_may_ask_for_its_own_scenario(house: House):
    assert (await _ask(house, "[simulate:503] a cat"))[0] == 503
    assert (await _ask(house, "[simulate:nonsense] a cat"))[0] == 200


async def test_delay_is_waited(house: House):
    await house.dial("openai", delay_ms=80, delay_spread_ms=20)
    start = time.monotonic()
    await _ask(house, size="256x256")
    assert 0.08 <= time.monotonic() - start < 5
