"""From a reserved job to its result, when all is well and when it is not."""

import asyncio
import hashlib

import pytest

from common.contracts import JobFailed, JobGenerated

pytestmark = pytest.mark.usefixtures("providers")


async def test_a_picture_is_put_once_and_announced_with_its_hash(dispatcher):
    verdict = await dispatcher.run("gpt-image-2", "one picture")
    assert isinstance(verdict, JobGenerated)
    (output,) = verdict.outputs
    assert verdict.provider == "openai" and verdict.wanted == 1 and verdict.origins == ()
    assert output.key == f"std/{verdict.job_id.hex}/1/0.png"
    body = await dispatcher.parts.store.get("outputs", output.key)
    assert body.startswith(b"\x89PNG")
    assert (output.bytes, output.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    await dispatcher.settled(verdict.job_id)
    row = dispatcher.job(verdict.job_id)
    assert (row["state"], row["sealed"]) == ("done", None)
    assert dispatcher.attempts(verdict.job_id) == [("openai", "succeeded", None)]
    assert row["published_at"] is not None


async def test_a_video_is_polled_and_passed_on_by_its_url(dispatcher, providers):
    verdict = await dispatcher.run("seedance-2.0", "one video", duration=4, resolution="480p")
    assert isinstance(verdict, JobGenerated)
    (output,) = verdict.outputs
    assert verdict.provider == "ark"
    assert output.key is None and output.url.startswith(providers.origin("ark"))
    assert verdict.origins == (providers.origin("ark"),)


async def test_a_second_delivery_finds_the_first_and_calls_nobody(dispatcher, providers):
    providers.dial("openai", delay_ms=200)
    event = dispatcher.event(prompt="twice")
    await asyncio.gather(dispatcher.take(event), dispatcher.take(event))
    await dispatcher.verdict(event.job_id)
    await dispatcher.settled(event.job_id)
    await dispatcher.take(event)
    await asyncio.sleep(0.1)
    assert len(providers.calls("openai", "twice")) == 1
    assert len([one for one in dispatcher.published if one.job_id == event.job_id]) == 1


async def test_a_job_delivered_after_its_deadline_fails_without_a_call(dispatcher, providers):
    verdict = await dispatcher.run(prompt="too late", deadline_s=-1)
    assert isinstance(verdict, JobFailed) and verdict.code == "deadline_exceeded"
    assert not providers.calls("openai", "too late")
    assert dispatcher.job(verdict.job_id)["sealed"] is None


async def test_the_verdict_comes_at_the_deadline_and_the_order_is_cancelled(dispatcher, providers):
    providers.dial("ark", "never_finishes", render_ms=60_000)
    started = asyncio.get_running_loop().time()
    verdict = await dispatcher.run("seedance-2.0", "never", deadline_s=1.2)
    assert isinstance(verdict, JobFailed) and verdict.code == "deadline_exceeded"
    assert asyncio.get_running_loop().time() - started < 1.7
    for _ in range(100):
        if providers.calls("ark", operation="delete"):
            break
        await asyncio.sleep(0.01)
    assert providers.calls("ark", operation="delete")


async def test_a_test_job_calls_no_real_provider(dispatcher, providers):
    verdict = await dispatcher.run(prompt="for nothing", livemode=False)
    assert isinstance(verdict, JobFailed) and verdict.code == "upstream_unavailable"
    assert not providers.calls("openai", "for nothing")


async def test_a_request_sealed_for_another_job_is_refused(dispatcher, providers):
    event = dispatcher.event(prompt="mine")
    stolen = dispatcher.event(prompt="yours").model_copy(update={"sealed": event.sealed, "epoch": event.epoch})
    verdict = await dispatcher.verdict(await dispatcher.take(stolen))
    assert isinstance(verdict, JobFailed) and verdict.code == "generation_failed"
    assert not providers.calls("openai", "mine")


async def test_missing_outputs_are_had_from_the_next_route_and_fewer_are_delivered_if_it_has_none(
    dispatcher, providers
):
    verdict = await dispatcher.run(prompt="ten", n=10)
    assert isinstance(verdict, JobGenerated)
    assert [one.index for one in verdict.outputs] == list(range(10))
    providers.dial("openai", "500")
    verdict = await dispatcher.run(prompt="ten from fal", n=10)
    assert isinstance(verdict, JobGenerated)
    assert [one.index for one in verdict.outputs] == list(range(10))
    assert len(providers.calls("fal", "ten from fal")) == 3  # it gives four at a time
    assert verdict.origins == (providers.origin("fal"),)


async def test_some_outputs_are_a_result_when_the_rest_cannot_be_had(dispatcher, providers):
    providers.dial("openai", "500")
    providers.dial("azure", "500")
    event = dispatcher.event(prompt="partial", n=6)
    await dispatcher.take(event)
    while len(providers.calls("fal", "partial")) < 1:
        await asyncio.sleep(0.005)
    providers.dial("fal", "500")
    verdict = await dispatcher.verdict(event.job_id)
    assert isinstance(verdict, JobGenerated)
    assert (verdict.wanted, len(verdict.outputs)) == (6, 4)


async def test_results_leave_later_when_the_broker_is_away_and_never_twice_by_the_sweep(dispatcher):
    dispatcher.broker_away = True
    event = dispatcher.event(prompt="no broker")
    await dispatcher.take(event)
    await dispatcher.settled(event.job_id)
    assert dispatcher.job(event.job_id)["state"] == "done" and not dispatcher.published
    dispatcher.broker_away = False
    dispatcher.rows(
        "update jobs set finished_at = finished_at - interval '3 s' where job_id = %(id)s", id=event.job_id
    )
    assert await dispatcher.parts.sweeper.sweep() >= 1
    assert isinstance(await dispatcher.verdict(event.job_id), JobGenerated)
    await asyncio.sleep(0.1)
    assert await dispatcher.parts.sweeper.sweep() == 0
