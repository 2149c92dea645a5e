"""What is surprising about Replicate, and about its stand-in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from simulators.replicate.models import MODELS
from support.providers import Providers

FILM = "/v1/models/vidu/q3-pro/predictions"


@pytest_asyncio.fixture
async def call(providers: Providers) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(headers={"authorization": "Bearer r8_x"}) as http:

        async def one(method: str, path: str, **options: Any) -> tuple[int, Any]:
            url = path if path.startswith("http") else providers.origin("replicate") + path
            async with http.request(method, url, **options) as answer:
                return answer.status, await answer.json()

        yield one


async def test_the_older_form_names_the_model_as_a_version(call):
    status, made = await call("POST", "/v1/predictions", json={"version": "vidu/q3-pro", "input": {"prompt": "x"}})
    assert (status, made["model"], made["version"]) == (201, "vidu/q3-pro", "hidden")


async def test_lists_and_single_urls(call):
    for name, listed in (("openai/gpt-image-2", True), ("google/nano-banana", False)):
        path = f"/v1/models/{name}/predictions"
        _, made = await call("POST", path, json={"input": {"prompt": "x"}}, headers={"prefer": "wait"})
        assert isinstance(made["output"], list) is listed


async def test_prefer_wait_answers_202_when_time_is_up(call, providers):
    providers.dial("replicate", render_ms=60_000)
    body = {"input": {"prompt": "x"}}
    assert (await call("POST", FILM, json=body))[0] == 201
    assert (await call("POST", FILM, json=body, headers={"prefer": "wait=1"}))[0] == 202


async def test_what_started_too_late_cancels_itself(call, providers):
    providers.dial("replicate", render_ms=60_000)
    _, made = await call("POST", FILM, json={"input": {"prompt": "x"}}, headers={"cancel-after": "5s"})
    async with asyncio.timeout(30):
        while made["status"] != "canceled":
            _, made = await call("GET", made["urls"]["get"])
            await asyncio.sleep(0.2)
    assert made["output"] is None


async def test_after_an_hour_nothing_is_left_of_an_output(call, providers):
    providers.dial("replicate", "data_removed")
    _, made = await call("POST", FILM, json={"input": {"prompt": "x"}})
    _, made = await call("GET", made["urls"]["get"])
    assert (made["status"], made["output"], made["data_removed"]) == ("succeeded", None, True)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "duration": "5"}, "duration"),
        ({"prompt": "x", "duration": 17}, "duration"),
        ({"prompt": "x", "audio": "yes"}, "audio"),
        ({"prompt": "x", "start_image": "picture"}, "start_image"),
        ({"prompt": "x", "colour": 1}, "colour"),
    ],
)
async def test_inputs_are_judged_by_the_models_own_schema(call, given, field):
    status, problem = await call("POST", FILM, json={"input": given})
    assert (status, problem["title"]) == (422, "Input validation failed")
    assert problem["invalid_fields"][0]["field"] == f"input.{field}"


async def test_the_schema_of_a_model_can_be_asked_for(call):
    _, model = await call("GET", "/v1/models/vidu/q3-pro")
    shown = model["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"]
    assert set(shown["properties"]) == set(MODELS["vidu/q3-pro"].inputs)
    assert shown["required"] == ["prompt"]


async def test_the_journal_keeps_no_prompt(call, providers):
    await call("POST", FILM, json={"input": {"prompt": "something private"}})
    (made,) = providers.calls("replicate", "something private")
    assert "private" not in str(made)
