"""A process dies and another goes on: nothing is asked for twice at one provider, and there is one verdict."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

from common.contracts import JobFailed, JobGenerated
from common.messaging import CannotReach
from common.objects import output_key
from dispatcher.repository.progress import Finish
from dispatcher.running.commits import LostJob
from dispatcher.running.verdicts import dump, failed
from support.dispatcher import running_dispatcher
from support.postgres import FreshDatabase
from support.proxy import FaultProxy


@pytest.fixture(autouse=True)
def _nothing_left_by_other_tests(database):
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("delete from dispatcher.jobs")
        connection.execute("delete from dispatcher.owners")


@asynccontextmanager
async def another(database, s3, keys, providers, **settings):
    """A second process on the same database."""
    async with running_dispatcher(database, s3, keys, providers.environ(), **settings) as running:
        yield running


@pytest.fixture
async def successor(database, s3, keys, providers):
    async with another(database, s3, keys, providers) as running:
        yield running


async def until(holds, timeout_s=5):
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


async def test_an_accepted_order_is_asked_about_again_and_never_submitted_twice(dispatcher, successor, providers):
    providers.dial("ark", render_ms=1_500)
    event = dispatcher.event("seedance-2.0", "half way")
    await dispatcher.take(event)
    await until(lambda: dispatcher.attempts(event.job_id) == [("ark", "accepted", None)])
    await dispatcher.die()
    assert await successor.parts.ownership.take() == 1
    verdict = await successor.verdict(event.job_id)
    assert isinstance(verdict, JobGenerated) and verdict.provider == "ark"
    assert len(providers.calls("ark", "half way")) == 1 and not providers.calls("fal", "half way")


@pytest.mark.parametrize(("model", "primary"), [("gpt-image-2", "openai"), ("seedance-2.0", "ark")])
async def test_a_submit_of_unknown_fate_goes_to_another_provider_only(
    dispatcher, successor, providers, model, primary
):
    providers.dial(primary, "hang_after")
    event = dispatcher.event(model, "unknown fate")
    await dispatcher.take(event)
    await until(lambda: providers.calls(primary, "unknown fate"))
    await dispatcher.die()
    providers.dial(primary)
    await successor.parts.ownership.take()
    verdict = await successor.verdict(event.job_id)
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"
    assert len(providers.calls(primary, "unknown fate")) == 1
    assert successor.attempts(event.job_id)[0] == (primary, "failed", "ambiguous")


async def test_a_complete_set_of_outputs_in_the_bucket_is_adopted(dispatcher, successor, providers):
    providers.dial("openai", "hang_after")
    event = dispatcher.event(prompt="put but not committed", n=2)
    await dispatcher.take(event)
    await until(lambda: providers.calls("openai", "put but not committed"))
    for index in range(2):
        key = output_key(event.job_id, 1, index, "png")
        picture = b"\x89PNG\r\n\x1a\n" + bytes([index]) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
        await dispatcher.parts.store.put("outputs", key, picture, "image/png")
    await dispatcher.die()
    await successor.parts.ownership.take()
    verdict = await successor.verdict(event.job_id)
    assert isinstance(verdict, JobGenerated) and verdict.provider == "openai"
    assert [one.key for one in verdict.outputs] == [output_key(event.job_id, 1, index, "png") for index in range(2)]
    assert len(providers.calls("openai", "put but not committed")) == 1
    assert not providers.calls("fal", "put but not committed")


async def test_an_incomplete_set_of_outputs_is_not_adopted(dispatcher, successor, providers):
    providers.dial("openai", "hang_after")
    event = dispatcher.event(prompt="one of two", n=2)
    await dispatcher.take(event)
    await until(lambda: providers.calls("openai", "one of two"))
    await dispatcher.parts.store.put("outputs", output_key(event.job_id, 1, 0, "png"), b"x", "image/png")
    await dispatcher.die()
    await successor.parts.ownership.take()
    verdict = await successor.verdict(event.job_id)
    assert isinstance(verdict, JobGenerated) and verdict.provider == "fal"


async def test_jobs_of_the_living_are_left_alone(dispatcher, successor, providers):
    providers.dial("openai", delay_ms=700)
    event = dispatcher.event(prompt="still at it")
    await dispatcher.take(event)
    successor.parts.ownership._steady_since -= 100
    assert await successor.parts.ownership.take() == 0
    assert isinstance(await dispatcher.verdict(event.job_id), JobGenerated)


async def test_after_an_outage_of_the_database_everybody_may_renew_before_anybody_is_declared_dead(
    dispatcher, successor, providers
):
    providers.dial("openai", delay_ms=1_500)
    event = dispatcher.event(prompt="slept through the outage")
    await dispatcher.take(event)
    dispatcher.rows("update owners set lease_until = now() - interval '1 s'")
    assert await successor.parts.ownership.take() == 0
    successor.parts.ownership._steady_since -= 100
    assert await successor.parts.ownership.take() == 1


async def test_who_lost_a_job_is_fenced_off(dispatcher, successor, providers):
    providers.dial("openai", delay_ms=3_000)  # its picture, once stored, would be adopted
    event = dispatcher.event(prompt="two owners")
    await dispatcher.take(event)
    await until(lambda: providers.calls("openai", "two owners"))
    await dispatcher.parts.ownership.leave()  # its lease is over, but it lives
    await successor.parts.ownership.take()
    verdict = await successor.verdict(event.job_id)
    assert verdict.provider == "fal"
    await dispatcher.settled(event.job_id)
    assert [one for one in dispatcher.published if one.job_id == event.job_id] == []
    commits = dispatcher.parts.runner._commits
    job = dispatcher.event(prompt="irrelevant").model_copy(update={"job_id": event.job_id})
    with pytest.raises(LostJob):
        await commits.finish(Finish(event.job_id, 1, dump(failed(job, "generation_failed")), done=False))


async def test_two_replicas_share_the_jobs_of_a_dead_one(database, s3, keys, dispatcher, successor, providers):
    providers.dial("ark", render_ms=60_000)
    events = [dispatcher.event("seedance-2.0", f"shared {number}") for number in range(30)]
    await asyncio.gather(*(dispatcher.take(event) for event in events))
    await until(lambda: all(dispatcher.attempts(one.job_id) == [("ark", "accepted", None)] for one in events))
    await dispatcher.die()
    async with another(database, s3, keys, providers) as third:
        taken = await asyncio.gather(successor.parts.ownership.take(), third.parts.ownership.take())
        assert sum(taken) == 30
        for event in events:
            assert successor.parts.runner.runs(event.job_id) != third.parts.runner.runs(event.job_id)
        await third.die()
    await successor.die()


async def test_however_close_two_replicas_come_no_job_is_taken_twice(
    database, s3, keys, dispatcher, successor, providers
):
    providers.dial("ark", render_ms=60_000)
    events = [dispatcher.event("seedance-2.0", f"raced for {number}") for number in range(30)]
    await asyncio.gather(*(dispatcher.take(event) for event in events))
    await until(lambda: all(dispatcher.attempts(one.job_id) == [("ark", "accepted", None)] for one in events))
    await dispatcher.die()
    async with another(database, s3, keys, providers) as third:
        racers = [one.parts.ownership._leases for one in (successor, third)]
        for _ in range(60):
            dispatcher.rows("update jobs set owner_id = null")
            taken = await asyncio.gather(*(one.take(30, expired_too=False) for one in racers))
            job_ids = [one.job.job_id for batch in taken for one in batch]
            assert sorted(job_ids) == sorted(event.job_id for event in events)
        await third.die()
    await successor.die()


async def test_a_job_whose_deadline_passed_with_its_owner_is_ended(dispatcher, successor, providers):
    providers.dial("ark", "never_finishes", render_ms=60_000)
    event = dispatcher.event("seedance-2.0", "deadline while dead", deadline_s=0.8)
    await dispatcher.take(event)
    await until(lambda: dispatcher.attempts(event.job_id) == [("ark", "accepted", None)])
    await dispatcher.die()
    await asyncio.sleep(0.8)
    await successor.parts.ownership.take()
    verdict = await successor.verdict(event.job_id)
    assert isinstance(verdict, JobFailed) and verdict.code == "deadline_exceeded"


async def test_a_job_that_nobody_ended_is_ended_whoever_owns_it(dispatcher, successor, providers):
    providers.dial("ark", "never_finishes", render_ms=60_000)
    event = dispatcher.event("seedance-2.0", "forgotten")
    await dispatcher.take(event)
    await until(lambda: dispatcher.attempts(event.job_id) == [("ark", "accepted", None)])
    dispatcher.rows("update jobs set deadline_at = now() - interval '1 h' where job_id = %(id)s", id=event.job_id)
    assert (await dispatcher.parts.results.violations(30))["overdue_jobs"] == 1
    await successor.parts.ownership.take()
    assert isinstance(await successor.verdict(event.job_id), JobFailed)
    assert (await dispatcher.parts.results.violations(30))["overdue_jobs"] == 0


async def test_a_job_found_long_after_its_owner_and_its_deadline_is_ended_at_once(dispatcher, successor, providers):
    providers.dial("ark", "never_finishes", render_ms=60_000)
    event = dispatcher.event("seedance-2.0", "found late")
    await dispatcher.take(event)
    await until(lambda: dispatcher.attempts(event.job_id) == [("ark", "accepted", None)])
    await dispatcher.die()
    dispatcher.rows("update jobs set deadline_at = now() - interval '1 h' where job_id = %(id)s", id=event.job_id)
    assert await successor.parts.ownership.take() == 1
    verdict = await successor.verdict(event.job_id)
    assert isinstance(verdict, JobFailed) and verdict.code == "deadline_exceeded"


async def test_a_stopping_process_hands_polled_jobs_over_at_once(database, s3, keys, providers, successor):
    providers.dial("ark", render_ms=1_000)
    async with another(database, s3, keys, providers) as stopping:
        event = stopping.event("seedance-2.0", "handed over")
        await stopping.take(event)
        await until(lambda: stopping.attempts(event.job_id) == [("ark", "accepted", None)])
        await stopping.parts.runner.drain(10)
    assert await successor.parts.ownership.take() == 1
    assert isinstance(await successor.verdict(event.job_id), JobGenerated)
    assert len(providers.calls("ark", "handed over")) == 1


async def test_a_stopping_process_waits_for_pictures(database, s3, keys, providers):
    providers.dial("openai", delay_ms=500)
    async with another(database, s3, keys, providers) as stopping:
        event = stopping.event(prompt="wait for me")
        await stopping.take(event)
        await stopping.parts.runner.drain(10)
        assert isinstance(await stopping.verdict(event.job_id, 0.1), JobGenerated)


async def test_a_database_that_goes_away_does_not_tear_a_call(database, s3, keys, providers):
    proxy, url = await FaultProxy.before(database.service_url)
    providers.dial("openai", delay_ms=400)
    try:
        cut_off = FreshDatabase(database.admin_url, url)
        async with running_dispatcher(cut_off, s3, keys, providers.environ()) as dispatcher:
            event = dispatcher.event(prompt="through an outage")
            await dispatcher.take(event)
            proxy.refuse(True)
            proxy.cut()
            await asyncio.sleep(0.9)
            assert dispatcher.parts.runner.runs(event.job_id)
            proxy.refuse(False)
            assert isinstance(await dispatcher.verdict(event.job_id), JobGenerated)
            assert len(providers.calls("openai", "through an outage")) == 1
    finally:
        await proxy.stop()


async def test_an_object_store_that_fails_for_a_while_costs_no_second_picture(dispatcher, s3, providers):
    s3.dial(scenario="503", methods=["PUT"])
    event = dispatcher.event(prompt="nowhere to put it")
    await dispatcher.take(event)
    await asyncio.sleep(0.5)
    assert dispatcher.parts.runner.runs(event.job_id)
    s3.dial()
    assert isinstance(await dispatcher.verdict(event.job_id), JobGenerated)
    assert len(providers.calls("openai", "nowhere to put it")) == 1


async def test_a_job_parked_while_the_answer_of_the_database_got_lost_is_found_by_the_sweep(dispatcher, providers):
    event = dispatcher.event(prompt="parked, answer lost")
    database = dispatcher.parts.database
    fetch = database.fetch

    async def lost(sql, params=None):
        await fetch(sql, params)
        raise CannotReach("database: the answer got lost")

    database.fetch = lost
    with pytest.raises(CannotReach):
        await dispatcher.take(event)
    del database.fetch
    await dispatcher.take(event)
    assert not dispatcher.parts.runner.runs(event.job_id)
    assert await dispatcher.parts.ownership.take() == 1
    assert isinstance(await dispatcher.verdict(event.job_id), JobGenerated)
