"""One answer per job, whatever is delivered twice, at once, or after a crash; and nobody can change it."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest

from common.clock import now
from common.contracts import JobFailed, JobStored, OutputsDiscarded
from common.messaging import CannotReach, CannotWork, TryLater
from common.objects import NotFound
from storage.handlers.discard import Discard
from support.origin import answer
from support.proxy import FaultProxy

from .conftest import PNG, Storage, a_replica, a_stubborn_store, heavy_png

HEAVY, VERY_HEAVY = heavy_png(500_000), heavy_png(6_000_000)
CHILD = """
import asyncio, sys
from common.contracts import JobGenerated
from common.database import Database
from common.objects import ObjectStore
from common.settings import ObjectStoreSettings
from storage.handlers.store import Store
from storage.pulling import Puller
from storage.repository import Assets

async def main():
    database, objects = Database(sys.argv[1]), ObjectStore(ObjectStoreSettings())
    await database.start(); await objects.start()
    puller = Puller(objects, timeout_s=5, read_timeout_s=2, max_image_bytes=10**8, max_video_bytes=10**8,
                    max_per_provider=4, max_unsized=4)
    await Store(Assets(database, ttl_s=3600), puller, give_up_after_deadline_s=300)(
        JobGenerated.model_validate_json(sys.argv[2]))

asyncio.run(main())
"""


async def test_inline_outputs_are_adopted_once_and_answered_the_same(storage: Storage) -> None:
    event = await storage.inline(PNG, PNG + b"\0")
    first = await storage.replica.store(event)
    assert isinstance(first, JobStored)
    assert [(one.index, one.key, one.sha256) for one in first.outputs] == [
        (one.index, one.key, one.sha256) for one in event.outputs
    ]
    await asyncio.sleep(0.01)
    assert await storage.replica.store(event) == first
    assert len(storage.rows(event.job_id)) == 2


async def test_an_inline_output_that_is_not_described_is_a_dead_letter(storage: Storage) -> None:
    event = await storage.inline(PNG)
    torn = event.outputs[0].model_copy(update={"sha256": None})
    with pytest.raises(CannotWork):
        await storage.replica.store(event.model_copy(update={"outputs": (torn,)}))
    with pytest.raises(CannotWork):
        nowhere = torn.model_copy(update={"key": None})
        await storage.replica.store(event.model_copy(update={"outputs": (nowhere,)}))
    assert storage.rows(event.job_id) == []


async def test_a_job_without_outputs_failed(storage: Storage) -> None:
    result = await storage.replica.store(storage.generated())
    assert isinstance(result, JobFailed)
    assert result.code == "output_unavailable"


@pytest.mark.parametrize("way", ["inline", "pulled", "mixed"])
async def test_twins_get_one_answer(storage: Storage, urls, s3, way: str) -> None:
    url, gone = storage.origin.on("/a", answer(200, PNG)), storage.origin.on("/gone", answer(410))
    async with a_replica(urls, s3) as other:
        for _ in range(15):
            if way == "pulled":
                event = storage.generated(url, gone, url)
            else:
                event = await storage.inline(PNG, PNG, PNG)
                if way == "mixed":
                    pulled = event.outputs[1].model_copy(update={"key": None, "url": url})
                    event = event.model_copy(update={"outputs": (event.outputs[0], pulled, event.outputs[2])})
            answers = await asyncio.gather(
                *(replica.store(event) for replica in (storage.replica, other) for _ in range(4))
            )
            assert all(isinstance(one, JobStored) and one == answers[0] for one in answers)
            assert len(storage.rows(event.job_id)) == 3


async def test_twins_that_disagree_still_give_one_answer(storage: Storage, urls, s3) -> None:
    async with a_replica(urls, s3) as other:
        for _ in range(15):
            # Each path answers whoever comes first, and tells the other that it is gone.
            paths = [storage.origin.on(f"/{i}", answer(200, PNG), answer(410)) for i in range(4)]
            event = storage.generated(*paths)
            one, two = await asyncio.gather(storage.replica.store(event), other.store(event))
            assert one == two == await storage.replica.store(event)
            assert len(storage.rows(event.job_id)) == 4


async def test_neighbours_in_one_batch_get_their_own_answers(storage: Storage) -> None:
    events = [await storage.inline(PNG + bytes([n]), PNG) for n in range(30)]
    results = await asyncio.gather(*(storage.replica.store(event) for event in (*events, *events)))
    for event, result in zip((*events, *events), results, strict=True):
        assert isinstance(result, JobStored)
        assert (result.job_id, result.outputs[0].sha256) == (event.job_id, event.outputs[0].sha256)


@pytest.mark.parametrize("point", ["S1", "S2", "S3"])
async def test_a_crash_leaves_a_job_that_the_next_process_finishes(storage: Storage, s3, point: str) -> None:
    event = storage.generated(storage.origin.on("/a", answer(200, HEAVY)))
    settings = s3.settings()
    environment = {
        **os.environ,
        "CRASH_AT": f"{point}:1",
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "S3_BUCKET": settings.s3_bucket,
        "S3_STAGING_BUCKET": settings.s3_staging_bucket,
        "S3_ACCESS_KEY_ID": settings.s3_access_key_id,
        "S3_SECRET_ACCESS_KEY": settings.s3_secret_access_key.get_secret_value(),
    }
    command = [sys.executable, "-c", CHILD, storage.urls.service_url, event.model_dump_json()]
    died = await asyncio.to_thread(subprocess.run, command, env=environment, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    left = storage.rows(event.job_id)
    assert len(left) == (1 if point == "S3" else 0)
    result = await storage.replica.store(event)
    assert isinstance(result, JobStored)
    [output] = result.outputs
    assert await storage.content(output.key) == HEAVY
    assert len(storage.origin.seen) == (1 if point == "S3" else 2)
    assert len(storage.rows(event.job_id)) == 1


@pytest.mark.parametrize("scenario", ["503", "403"])
async def test_an_object_store_that_refuses_is_waited_for(storage: Storage, s3, scenario: str) -> None:
    event = storage.generated(storage.origin.on("/a", answer(200, PNG)))
    s3.dial(scenario=scenario)
    with pytest.raises(CannotReach):
        await storage.replica.store(event)
    assert storage.rows(event.job_id) == []
    s3.dial()
    assert isinstance(await storage.replica.store(event), JobStored)


async def test_an_object_store_that_is_away_is_waited_for_but_not_past_the_limit(storage: Storage, urls, s3) -> None:
    proxy, url = await FaultProxy.before(s3.url)
    event = storage.generated(storage.origin.on("/a", answer(200, PNG)))
    async with a_replica(urls, s3, s3_url=url) as replica:
        proxy.refuse(True)
        with pytest.raises(CannotReach):
            await replica.store(event)
        over = storage.generated(
            storage.origin.on("/b", answer(200, PNG)), deadline_at=now() - timedelta(seconds=301)
        )
        assert isinstance(await replica.store(over), JobFailed)
        proxy.refuse(False)
        assert isinstance(await replica.store(event), JobStored)
    await proxy.stop()


async def test_a_torn_upload_leaves_nothing_half_and_comes_later(storage: Storage, urls, s3) -> None:
    proxy, url = await FaultProxy.before(s3.url)
    event = storage.generated(storage.origin.on("/a", answer(200, VERY_HEAVY)))
    async with a_replica(urls, s3, s3_url=url) as replica:
        proxy.hang(True)
        task = asyncio.create_task(replica.store(event))
        await asyncio.sleep(0.5)
        proxy.refuse(True)
        proxy.cut()
        proxy.hang(False)
        with pytest.raises((CannotReach, TryLater)):
            await task
        proxy.refuse(False)
        result = await replica.store(event)
        assert isinstance(result, JobStored)
        assert await storage.content(result.outputs[0].key) == VERY_HEAVY
    await proxy.stop()


async def test_a_database_that_is_away_is_waited_for(storage: Storage, s3) -> None:
    proxy, url = await FaultProxy.before(storage.urls.service_url)
    event = await storage.inline(PNG)
    async with a_replica(type(storage.urls)(storage.urls.admin_url, url), s3) as replica:
        proxy.refuse(True)
        with pytest.raises(CannotReach):
            await replica.store(event)
        proxy.refuse(False)
        assert isinstance(await replica.store(event), JobStored)
    await proxy.stop()


async def test_what_nobody_paid_for_is_deleted(storage: Storage) -> None:
    event = await storage.inline(PNG, PNG)
    result = await storage.replica.store(event)
    assert isinstance(result, JobStored)
    keys = tuple(one.key for one in result.outputs)
    discard = OutputsDiscarded(job_id=event.job_id, account_id=storage.account, keys=keys)
    for _ in range(2):
        await storage.replica.discard(discard)
        assert [await storage.content(key) for key in keys] == [None, None]
    assert all(row["deleted_at"] for row in storage.rows(event.job_id))
    await storage.replica.discard(discard.model_copy(update={"keys": ()}))
    with pytest.raises(NotFound):
        await storage.replica.objects.get("outputs", keys[0])


async def test_discarding_waits_for_the_object_store(storage: Storage, s3) -> None:
    event = await storage.inline(PNG)
    await storage.replica.store(event)
    key = event.outputs[0].key
    assert key
    discard = OutputsDiscarded(job_id=event.job_id, account_id=storage.account, keys=(key,))
    s3.dial(scenario="403")
    with pytest.raises(TryLater):
        await storage.replica.discard(discard)
    assert storage.rows(event.job_id)[0]["deleted_at"] is None
    s3.dial()
    await storage.replica.discard(discard)
    assert storage.rows(event.job_id)[0]["deleted_at"] is not None


async def test_one_output_that_cannot_be_deleted_does_not_keep_its_neighbours(storage: Storage, s3) -> None:
    event = await storage.inline(PNG, PNG, PNG)
    await storage.replica.store(event)
    keys = tuple(one.key for one in event.outputs if one.key)
    discard = OutputsDiscarded(job_id=event.job_id, account_id=storage.account, keys=keys)
    async with a_stubborn_store(s3, keys[0]) as objects:
        with pytest.raises(TryLater):
            await Discard(storage.replica.assets, objects)(discard)
    assert [await storage.content(key) is None for key in keys] == [False, True, True]
    assert [row["deleted_at"] is not None for row in storage.rows(event.job_id)] == [False, True, True]


@pytest.mark.parametrize(
    "statement",
    [
        "update assets set sha256 = repeat('0', 64)",
        "update assets set expires_at = now() + interval '1 year'",
        "update assets set state = 'lost'",
        "update assets set key = 'x'",
        "delete from assets",
        "truncate assets",
        "drop table assets",
        "alter table assets disable trigger all",
        "create table mine (n int)",
    ],
)
async def test_the_service_itself_cannot_change_the_index(storage: Storage, statement: str) -> None:
    event = await storage.inline(PNG)
    await storage.replica.store(event)
    with psycopg.connect(storage.urls.service_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize(
    "change",
    ["sha256 = repeat('0', 64)", "expires_at = now()", "media_type = 'a/b'", "account_id = job_id", "idx = 7"],
)
async def test_even_the_owner_cannot_change_a_stored_asset(storage: Storage, change: str) -> None:
    event = await storage.inline(PNG)
    await storage.replica.store(event)
    with pytest.raises(psycopg.errors.RaiseException, match="final"):
        storage.as_admin(f"update storage.assets set {change} where job_id = %s", event.job_id)


async def test_a_deletion_is_noted_once(storage: Storage) -> None:
    event = await storage.inline(PNG)
    await storage.replica.store(event)
    key = event.outputs[0].key
    assert await storage.replica.assets.mark_deleted([key, "unknown"]) == 1
    assert await storage.replica.assets.mark_deleted([key]) == 0
    with pytest.raises(psycopg.errors.RaiseException, match="deleted already"):
        storage.as_admin("update storage.assets set deleted_at = null where job_id = %s", event.job_id)
