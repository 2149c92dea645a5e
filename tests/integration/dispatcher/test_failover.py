"""A route that fails costs a moment, is called once, and is left alone while its breaker is open."""

import asyncio
import time

import pytest

from common.contracts import JobFailed, JobGenerated
from common.objects import NotFound, ObjectStore
from dispatcher import metrics
from dispatcher.running.outputs import Outputs
from support.dispatcher import running_dispatcher
from support.quickest import quickest_s

FAILURES = ["500", "503", "429", "429_retry_after", "quota", "auth", "reset"]
COOL_DOWN_S = 2.5
"""Longer than a picture takes on the second route."""
PRIMARY = {"gpt-image-2": "openai", "seedance-2.0": "ark"}


@pytest.fixture
async def dispatcher(database, s3, keys, providers):
    async with running_dispatcher(
        database, s3, keys, providers.environ(), breaker_cool_down_s=COOL_DOWN_S
    ) as running:
        yield running


def orphans(provider: str, reason: str) -> float:
    return metrics.orphans._metric.labels(provider, reason)._value.get()


@pytest.mark.parametrize("model", PRIMARY)
@pytest.mark.parametrize("scenario", FAILURES)
async def test_a_failing_primary_is_called_once_and_the_second_route_delivers(dispatcher, providers, model, scenario):
    primary = PRIMARY[model]
    providers.dial(primary, scenario)
    verdict = await dispatcher.run(model, f"{scenario} for {model}")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    assert len(providers.calls(primary)) == 1
    assert len(providers.calls("fal")) == 1
    await dispatcher.settled(verdict.job_id)
    assert [(who, state) for who, state, _ in dispatcher.attempts(verdict.job_id)] == [
        (primary, "failed"),
        ("fal", "succeeded"),
    ]


@pytest.mark.parametrize("model", PRIMARY)
async def test_a_primary_that_refuses_connections_costs_a_moment(dispatcher, providers, model):
    providers.dial(PRIMARY[model], "refuse", for_ms=1_500)
    await asyncio.sleep(0.05)
    verdict = await dispatcher.run(model, "nobody home")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    await asyncio.sleep(1.6)


@pytest.mark.parametrize("model", PRIMARY)
@pytest.mark.parametrize("scenario", ["policy_input", "policy_output"])
async def test_a_refusal_is_final_and_never_shown_to_a_second_provider(dispatcher, providers, model, scenario):
    providers.dial(PRIMARY[model], scenario)
    verdict = await dispatcher.run(model, "something forbidden")
    assert isinstance(verdict, JobFailed) and verdict.code == "content_policy_violation"
    assert not providers.calls("fal")


async def test_a_bad_request_is_bad_everywhere(dispatcher, providers):
    providers.dial("openai", "invalid")
    verdict = await dispatcher.run(prompt="bad")
    assert isinstance(verdict, JobFailed) and verdict.code == "invalid_request"
    assert not providers.calls("fal")


async def test_what_a_customer_allows_to_be_lost_is_left_out_on_the_next_route(dispatcher, providers):
    providers.dial("openai", "500")
    event = dispatcher.event(prompt="clear glass", background="transparent")
    verdict = await dispatcher.verdict(await dispatcher.take(event.model_copy(update={"lossy": ("background",)})))
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    assert len(providers.calls("fal")) == 1


async def test_a_customer_who_wants_no_other_route_gets_none(dispatcher, providers):
    providers.dial("openai", "500")
    event = dispatcher.event(prompt="this one or none").model_copy(update={"failover": False})
    verdict = await dispatcher.verdict(await dispatcher.take(event))
    assert isinstance(verdict, JobFailed) and verdict.code == "upstream_unavailable"
    assert len(providers.calls("openai")) == 1
    assert not providers.calls("fal")


async def test_an_accepted_order_that_fails_goes_on_once(dispatcher, providers):
    providers.dial("ark", "accepted_then_failed")
    verdict = await dispatcher.run("seedance-2.0", "fails late")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    providers.dial("fal", "accepted_then_failed")
    verdict = await dispatcher.run("seedance-2.0", "fails late twice")
    assert isinstance(verdict, JobFailed) and verdict.code == "generation_failed"


async def test_all_routes_down_ends_the_job_at_once(dispatcher, providers):
    for provider in ("openai", "fal", "azure"):
        providers.dial(provider, "500")
    async with asyncio.timeout(5):
        verdict = await dispatcher.run(prompt="nobody")
    assert isinstance(verdict, JobFailed) and verdict.code == "upstream_unavailable"


async def test_a_parameter_that_a_route_cannot_carry_excludes_it(dispatcher, providers):
    providers.dial("openai", "500")
    verdict = await dispatcher.run(prompt="see-through", background="transparent")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "azure"
    assert not providers.calls("fal")


@pytest.mark.parametrize("scenario", ["hang", "hang_after"])
async def test_a_submit_that_hangs_costs_a_second(dispatcher, providers, scenario):
    providers.dial("ark", scenario)
    started = time.monotonic()
    event = dispatcher.event("seedance-2.0", "hanging")
    await dispatcher.take(event)
    while not providers.calls("fal", "hanging"):
        await asyncio.sleep(0.005)
    assert 0.9 < time.monotonic() - started < 3
    verdict = await dispatcher.verdict(event.job_id)
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    assert len(providers.calls("ark")) == 1


async def test_a_late_acceptance_is_cancelled_and_there_is_one_winner(dispatcher, providers):
    providers.dial("ark", "slow", slow_ms=1_500, render_ms=60_000, queue_ms=60_000)
    verdict = await dispatcher.run("seedance-2.0", "slow to say yes")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    async with asyncio.timeout(3):
        while not providers.calls("ark", operation="delete"):
            await asyncio.sleep(0.02)
    assert len([one for one in dispatcher.published if one.job_id == verdict.job_id]) == 1


async def test_a_late_acceptance_that_cannot_be_cancelled_is_counted_as_an_orphan(dispatcher, providers):
    providers.dial("ark", "slow", slow_ms=1_300, render_ms=60_000, queue_ms=0)
    before = orphans("ark", "late")
    await dispatcher.run("seedance-2.0", "slow and running")
    async with asyncio.timeout(3):
        while orphans("ark", "late") == before:
            await asyncio.sleep(0.02)


async def test_the_first_to_accept_wins_even_if_it_hung(dispatcher, providers):
    providers.dial("ark", "slow", slow_ms=1_300)
    providers.dial("fal", delay_ms=5_000)
    verdict = await dispatcher.run("seedance-2.0", "slow but first")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "ark"


async def test_a_late_acceptance_does_not_keep_a_job_open_whose_winner_then_fails(dispatcher, providers):
    providers.dial("ark", "slow", slow_ms=1_300, render_ms=60_000)
    providers.dial("fal", "accepted_then_failed", render_ms=1_500)
    providers.dial("replicate", "accepted_then_failed")
    verdict = await dispatcher.verdict(
        await dispatcher.take(dispatcher.event("seedance-2.0", "neither")), timeout_s=20
    )
    assert isinstance(verdict, JobFailed) and verdict.code == "generation_failed"
    await dispatcher.settled(verdict.job_id)
    assert dispatcher.attempts(verdict.job_id) == [
        ("ark", "failed", "ambiguous"),
        ("fal", "failed", "failed_generation"),
        ("replicate", "failed", "failed_generation"),
    ]


async def test_a_defect_of_ours_costs_one_attempt_and_not_the_job(dispatcher, providers, monkeypatch):
    keep = Outputs.keep

    async def stumble(self, run, attempt, produced):
        if attempt.way.provider == "openai":
            raise ZeroDivisionError("a defect")
        return await keep(self, run, attempt, produced)

    monkeypatch.setattr(Outputs, "keep", stumble)
    verdict = await dispatcher.run(prompt="stumbling")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"


async def test_an_object_store_that_answers_oddly_is_tried_again(dispatcher, providers, monkeypatch):
    put, calls = ObjectStore.put, []

    async def odd(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            raise NotFound("no such bucket")
        return await put(self, *arguments, **options)

    monkeypatch.setattr(ObjectStore, "put", odd)
    verdict = await dispatcher.run(prompt="bucket away")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "openai" and len(calls) == 2


async def test_a_provider_that_accepts_and_never_finishes_is_left_alone(dispatcher, providers):
    providers.dial("ark", render_ms=600_000)
    verdicts = await asyncio.gather(
        *(dispatcher.run("seedance-2.0", f"for ever {number}", deadline_s=1.5) for number in range(5))
    )
    assert {verdict.code for verdict in verdicts} == {"deadline_exceeded"}
    verdict = await dispatcher.run("seedance-2.0", "elsewhere")
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"


async def test_an_open_breaker_lets_only_probes_through_and_closes_when_one_succeeds(dispatcher, providers):
    providers.dial("openai", "500")
    await asyncio.gather(*(dispatcher.run(prompt=f"failing {number}") for number in range(5)))
    assert len(providers.calls("openai")) == 5
    verdicts = await asyncio.gather(*(dispatcher.run(prompt=f"open {number}") for number in range(20)))
    assert all(verdict.provider == "fal" for verdict in verdicts)
    assert len(providers.calls("openai")) == 5
    await asyncio.sleep(COOL_DOWN_S + 0.05)
    await asyncio.gather(*(dispatcher.run(prompt=f"probing {number}") for number in range(20)))
    assert len(providers.calls("openai")) == 6
    providers.dial("openai")
    await asyncio.sleep(COOL_DOWN_S + 0.05)
    assert (await dispatcher.run(prompt="well again")).provider == "openai"
    assert (await dispatcher.run(prompt="and again")).provider == "openai"


async def test_a_key_that_is_refused_opens_the_breaker_at_once(dispatcher, providers):
    providers.dial("openai", "auth")
    await dispatcher.run(prompt="first")
    await dispatcher.run(prompt="second")
    assert len(providers.calls("openai")) == 1


async def test_without_a_route_that_admits_the_job_ends_at_once(database, s3, keys, providers):
    async with running_dispatcher(database, s3, keys, providers.environ("openai")) as alone:
        providers.dial("openai", "auth")
        await alone.run(prompt="first")

        async def again() -> None:
            verdict = await alone.run(prompt="again")
            assert isinstance(verdict, JobFailed) and verdict.code == "upstream_unavailable"

        assert await quickest_s(again) < 0.1
        assert len(providers.calls("openai")) == 1
