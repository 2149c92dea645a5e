"""A model none of whose providers is configured is refused before anything is held."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.catalogue import load
from support.gateway import RunningGateway, running_gateway
from support.postgres import Postgres
from support.stack import Stack


@pytest.fixture
async def only_openai(postgres: Postgres, broker: Stack, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(postgres, broker, tmp_path, providers="OpenAI") as running:
        yield running


async def test_a_model_without_a_provider_is_listed_so_and_answered_503_before_any_hold(
    only_openai: RunningGateway,
) -> None:
    async with only_openai.client() as session:
        async with session.get("/v1/models") as answer:
            listed = {model["id"]: model["available"] for model in (await answer.json())["data"]}
        by_openai = {model.id for model in load().models if any(one.provider == "openai" for one in model.routes)}
        assert {name for name, available in listed.items() if available} == by_openai
        assert listed["gpt-image-2"] is True
        assert listed["seedance-2.0"] is False
        async with session.post("/v1/videos", json={"model": "seedance-2.0", "prompt": "waves"}) as answer:
            body = await answer.json()
            assert (answer.status, body["error"]["code"]) == (503, "model_unavailable")
            assert answer.headers["x-should-retry"] == "false"
        assert only_openai.billing.submitted == []
        async with session.post("/v1/images/generations", json={"model": "gpt-image-2", "prompt": "x"}) as answer:
            assert answer.status == 200
