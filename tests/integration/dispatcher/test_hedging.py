"""A synchronous call that stays silent gets a rival where the model's file asks for it, and only there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.catalogue import Catalogue, load
from common.contracts import JobGenerated
from support.dispatcher import RunningDispatcher, running_dispatcher
from support.postgres import FreshDatabase
from support.providers import Providers
from support.s3 import S3

HEDGE_AFTER_MS = 150
SILENT_MS = 1_500


@pytest.fixture
async def hedging(
    database: FreshDatabase, s3: S3, keys: Path, providers: Providers
) -> AsyncIterator[RunningDispatcher]:
    """OpenAI first, then Azure, and nobody else."""
    models = [
        model.model_copy(update={"hedge_after_ms": HEDGE_AFTER_MS}) if model.id == "gpt-image-2" else model
        for model in load().models
    ]
    environ, catalogue = providers.environ("openai", "azure"), Catalogue(tuple(models))
    async with running_dispatcher(database, s3, keys, environ, catalogue, breaker_min_failures=3) as running:
        yield running


async def test_the_rivals_result_counts_and_the_first_ones_comes_too_late(
    hedging: RunningDispatcher, providers: Providers
) -> None:
    providers.dial("openai", delay_ms=SILENT_MS)
    job_id = await hedging.take(hedging.event("gpt-image-2", "hedged"))
    verdict = await hedging.verdict(job_id)
    assert isinstance(verdict, JobGenerated)
    assert (verdict.provider, len(verdict.outputs)) == ("azure", 1)
    await asyncio.sleep(SILENT_MS / 1_000)
    assert [len(providers.calls(name, "hedged")) for name in ("openai", "azure")] == [1, 1]
    assert len([one for one in hedging.published if one.job_id == job_id]) == 1


async def test_a_rival_that_fails_leaves_the_job_to_the_first(
    hedging: RunningDispatcher, providers: Providers
) -> None:
    providers.dial("openai", delay_ms=600)
    providers.dial("azure", "500")
    verdict = await hedging.run("gpt-image-2", "rescued")
    assert isinstance(verdict, JobGenerated)
    assert verdict.provider == "openai"


async def test_a_route_that_is_outrun_again_and_again_is_left_alone(
    hedging: RunningDispatcher, providers: Providers
) -> None:
    providers.dial("openai", "hang")
    for number in range(3):
        assert isinstance(await hedging.run("gpt-image-2", f"outrun {number}"), JobGenerated)
    assert len(providers.calls("openai")) == 3
    assert isinstance(await hedging.run("gpt-image-2", "no more"), JobGenerated)
    assert not providers.calls("openai", "no more")


async def test_without_the_setting_a_slow_call_is_waited_for(
    dispatcher: RunningDispatcher, providers: Providers
) -> None:
    providers.dial("openai", delay_ms=800)
    verdict = await dispatcher.run("gpt-image-2", "waited for")
    assert isinstance(verdict, JobGenerated)
    assert verdict.provider == "openai"
    assert not providers.calls("azure") and not providers.calls("fal")
