"""The object store's client against an endpoint that enforces signatures, digests, expiry and conditions."""

import asyncio
import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from common.messaging import CannotReach
from common.objects import (
    NotFound,
    ObjectStore,
    Refused,
    ShortStream,
    TooLarge,
    output_key,
    output_prefix,
    staging_key,
)
from support.proxy import FaultProxy
from support.s3 import S3, running_s3

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(autouse=True)
def calm(s3) -> Iterator[None]:
    yield
    s3.dial()
    s3.turn_clock()


@contextlib.asynccontextmanager
async def opened(s3: S3, **settings: str) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(s3.settings(**settings))
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@pytest.fixture
async def store(s3) -> AsyncIterator[ObjectStore]:
    async with opened(s3) as one:
        yield one


@pytest.fixture
def key() -> str:
    return output_key(uuid4(), 1, 0, "png")


async def pieces(data: bytes, size: int = 60_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read_by_link(url: str) -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True)) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


@pytest.mark.parametrize("size", [0, 1, 100_000, 3 * MIB])
async def test_what_is_put_is_got_back(store, key, size):
    body = os.urandom(size)
    assert await store.put(store.outputs, key, body, "image/png")
    assert await store.get(store.outputs, key) == body
    head = await store.head(store.outputs, key)
    assert (head.size_bytes, head.media_type) == (size, "image/png")
    async with store.stream_get(store.outputs, key) as stream:
        assert b"".join([chunk async for chunk in stream.chunks()]) == body


async def test_a_range_is_read_as_asked(store, key):
    await store.put(store.outputs, key, b"0123456789", "video/mp4")
    async with store.stream_get(store.outputs, key, byte_range="bytes=2-5") as stream:
        assert stream.content_range == "bytes 2-5/10"
        assert b"".join([chunk async for chunk in stream.chunks()]) == b"2345"


async def test_only_the_first_of_many_puts_writes(store, key):
    written = await asyncio.gather(*(store.put(store.outputs, key, bytes([i]) * 9, "image/png") for i in range(8)))
    assert sum(written) == 1
    assert await store.get(store.outputs, key) == bytes([written.index(True)]) * 9


async def test_a_put_that_may_replace_does(store, key):
    for body in (b"one", b"two"):
        assert await store.put(store.outputs, key, body, "image/png", only_new=False)
    assert await store.get(store.outputs, key) == b"two"


async def test_a_put_whose_answer_was_lost_is_repeated_without_harm(s3, store, key):
    proxy, url = await FaultProxy.before(s3.url)
    try:
        async with opened(s3, S3_ENDPOINT_URL=url) as unlucky:
            s3.dial(scenario="slow", delay_ms=300)
            lost = asyncio.create_task(unlucky.put(unlucky.outputs, key, b"paid for", "image/png"))
            await asyncio.sleep(0.15)
            proxy.refuse(True)
            proxy.cut()
            with pytest.raises(CannotReach):
                await lost
            proxy.refuse(False)
            s3.dial()
            assert await unlucky.put(unlucky.outputs, key, b"paid for", "image/png") in {True, False}
    finally:
        await proxy.stop()
    assert await store.get(store.outputs, key) == b"paid for"


@contextlib.asynccontextmanager
async def garbling(s3: S3, *, asked: bytes = b"", answered: bytes = b"") -> AsyncIterator[str]:
    """A way to the endpoint on which the last letter of a word is lost, in requests or in answers."""
    target = URL(s3.url)
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data.replace(word, word[:-1] + b"0") if word else data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.host, target.port)
        pumps.add(asyncio.create_task(pump(reader, far_writer, asked)))
        pumps.add(asyncio.create_task(pump(far_reader, writer, answered)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*pumps)


async def test_a_body_damaged_on_the_way_is_never_stored(s3, store, key):
    async with garbling(s3, asked=b"precious") as url, opened(s3, S3_ENDPOINT_URL=url) as damaged:
        with pytest.raises(CannotReach):
            await damaged.put(damaged.outputs, key, b"a precious picture", "image/png")
        assert not await store.exists(store.outputs, key)
        with pytest.raises(CannotReach):
            await damaged.put_stream(damaged.outputs, key, pieces(b"precious"), "image/png", length=8, max_bytes=8)
        assert not await store.exists(store.outputs, key)
        with pytest.raises(CannotReach):
            await damaged.put_stream(damaged.outputs, key, pieces(b"precious"), "image/png", length=None, max_bytes=8)
        assert not await store.exists(store.outputs, key)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 17 * MIB + 3])
async def test_a_stream_is_stored_counted_and_hashed(store, key, size, known):
    body = os.urandom(1021) * (size // 1021 + 1)
    body = body[:size]
    written = await store.put_stream(
        store.outputs, key, pieces(body), "video/mp4", length=size if known else None, max_bytes=20 * MIB
    )
    assert (written.size_bytes, written.sha256) == (size, hashlib.sha256(body).hexdigest())
    assert await store.get(store.outputs, key) == body
    assert (await store.head(store.outputs, key)).media_type == "video/mp4"


async def test_a_store_whose_tags_are_no_digests_is_read_back(s3, key):
    body = b"x" * 300_000
    tag = hashlib.md5(body).hexdigest().encode()
    async with garbling(s3, answered=tag) as url, opened(s3, S3_ENDPOINT_URL=url) as store:
        written = await store.put_stream(
            store.outputs, key, pieces(body), "video/mp4", length=len(body), max_bytes=MIB
        )
        assert written.sha256 == hashlib.sha256(body).hexdigest()
        assert (await store.head(store.outputs, key)).etag != tag.decode()


class SourceBrokeError(Exception):
    pass


async def breaking(after: int) -> AsyncIterator[bytes]:
    for _ in range(after // 60_000):
        yield b"x" * 60_000
    raise SourceBrokeError


@pytest.mark.parametrize("length", [20 * MIB, None])
async def test_a_source_that_breaks_off_is_told_from_a_store_that_does_and_leaves_nothing(s3, store, key, length):
    with pytest.raises(SourceBrokeError):
        await store.put_stream(store.outputs, key, breaking(17 * MIB), "video/mp4", length=length, max_bytes=30 * MIB)
    assert not await store.exists(store.outputs, key)
    if length is None:
        assert s3.stats()["operations"].get("abort_multipart_upload", 0) >= 1


@pytest.mark.parametrize("announced", [99, 101])
async def test_a_source_that_does_not_keep_its_length_is_refused(store, key, announced):
    with pytest.raises(ShortStream):
        await store.put_stream(
            store.outputs, key, pieces(b"x" * 100, 10), "video/mp4", length=announced, max_bytes=MIB
        )
    assert not await store.exists(store.outputs, key)


@pytest.mark.parametrize(("size", "length"), [(MIB, MIB), (MIB, None), (18 * MIB, None)])
async def test_more_than_allowed_is_refused_and_leaves_nothing(store, key, size, length):
    with pytest.raises(TooLarge):
        await store.put_stream(
            store.outputs, key, pieces(b"x" * size), "video/mp4", length=length, max_bytes=size - 1
        )
    assert not await store.exists(store.outputs, key)


async def test_a_cancelled_upload_leaves_nothing(store, key):
    waiting = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * MIB
        waiting.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(
        store.put_stream(store.outputs, key, endless(), "video/mp4", length=None, max_bytes=30 * MIB)
    )
    await waiting.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert not await store.exists(store.outputs, key)


async def test_a_store_that_is_busy_for_a_moment_does_not_lose_a_part(s3, store, key):
    async def with_a_fault_in_between() -> AsyncIterator[bytes]:
        yield b"x" * (9 * MIB)
        s3.dial(scenario="503", times=1, methods=["PUT"])
        yield b"y" * MIB

    written = await store.put_stream(
        store.outputs, key, with_a_fault_in_between(), "video/mp4", length=None, max_bytes=30 * MIB
    )
    assert written.size_bytes == 10 * MIB
    assert await store.exists(store.outputs, key)


async def every_operation(store: ObjectStore, key: str) -> list[BaseException | object]:
    return await asyncio.gather(
        store.put(store.outputs, key, b"x", "image/png"),
        store.put_stream(store.outputs, key, pieces(b"x"), "image/png", length=1, max_bytes=1),
        store.get(store.outputs, key),
        store.head(store.outputs, key),
        store.exists(store.outputs, key),
        store.delete(store.outputs, key),
        store.delete_many(store.outputs, [key, key + "2"]),
        store.list_prefix(store.outputs, "std/"),
        store.check(store.outputs),
        return_exceptions=True,
    )


async def test_throttling_is_a_reason_to_wait_not_to_give_up(s3, store, key):
    s3.dial(scenario="503")
    assert [type(result) for result in await every_operation(store, key)] == [CannotReach] * 9


async def test_wrong_credentials_are_refused_and_not_waited_for(s3, key):
    async with opened(s3, S3_SECRET_ACCESS_KEY="wrong") as store:
        assert [type(result) for result in await every_operation(store, key)] == [Refused] * 9


async def test_a_store_that_is_away_cannot_be_reached(s3, key):
    async with opened(s3, S3_ENDPOINT_URL="http://127.0.0.1:1") as store:
        assert [type(result) for result in await every_operation(store, key)] == [CannotReach] * 9


async def test_a_connection_cut_in_the_middle_of_a_read_is_noticed(s3, store, key):
    await store.put(store.outputs, key, b"x" * (20 * MIB), "video/mp4")
    proxy, url = await FaultProxy.before(s3.url)
    try:
        async with opened(s3, S3_ENDPOINT_URL=url) as cut, cut.stream_get(cut.outputs, key) as stream:
            with pytest.raises(CannotReach):
                async for _ in stream.chunks():
                    proxy.cut()
    finally:
        await proxy.stop()


async def test_what_is_not_there_is_not_found_and_deleting_it_is_fine(store, key):
    for read in (store.get, store.head):
        with pytest.raises(NotFound):
            await read(store.outputs, key)
    await store.delete(store.outputs, key)
    await store.delete_many(store.outputs, [])
    await store.delete_many(store.outputs, [key, key + "2"])
    assert await store.list_prefix(store.outputs, output_prefix(uuid4())) == []


async def test_deleting_each_tells_what_went_and_what_did_not(s3, store, key):
    keys = [f"{key}{n}" for n in range(40)]
    await asyncio.gather(*(store.put(store.outputs, one, b"x", "image/png") for one in keys))
    s3.dial(scenario="503", times=3, methods=["DELETE"])
    some = await store.delete_each(store.outputs, keys)
    assert (len(some.gone), {type(error) for error in some.failed.values()}) == (37, {CannotReach})
    assert {*some.gone, *some.failed} == set(keys)
    assert sorted((await store.delete_each(store.outputs, list(some.failed))).gone) == sorted(some.failed)


async def test_a_store_that_deletes_nothing_is_not_asked_for_every_key(s3, store, key):
    s3.dial(scenario="403")
    none = await store.delete_each(store.outputs, [f"{key}{n}" for n in range(500)])
    assert none.gone == []
    assert len(none.failed) <= 32


async def test_an_object_larger_than_allowed_is_not_read(store, key):
    await store.put(store.outputs, key, b"x" * 1000, "image/png")
    with pytest.raises(TooLarge):
        await store.get(store.outputs, key, max_bytes=999)


async def test_a_jobs_outputs_are_listed_and_deleted_together(store):
    job = uuid4()
    keys = [output_key(job, part, index, "png") for part in (1, 2, "s") for index in range(3)]
    await asyncio.gather(*(store.put(store.outputs, key, b"12345", "image/png") for key in keys))
    listed = await store.list_prefix(store.outputs, output_prefix(job))
    assert [one.key for one in listed] == sorted(keys)
    assert {one.size_bytes for one in listed} == {5}
    assert [one.key for one in await store.list_prefix(store.outputs, output_prefix(job, 2))] == keys[3:6]
    assert len(await store.list_prefix(store.outputs, output_prefix(job), limit=4)) == 4
    await store.delete_many(store.outputs, keys)
    assert await store.list_prefix(store.outputs, output_prefix(job)) == []


async def test_a_list_goes_on_beyond_one_page(store):
    job = uuid4()
    keys = [staging_key(job, f"{i:04}") for i in range(1005)]
    for start in range(0, len(keys), 100):
        await asyncio.gather(*(store.put(store.staging, k, b"", "text/plain") for k in keys[start : start + 100]))
    assert [one.key for one in await store.list_prefix(store.staging, f"staged/{job.hex}/", limit=5000)] == keys
    await store.delete_many(store.staging, keys)
    assert await store.list_prefix(store.staging, f"staged/{job.hex}/") == []


async def test_a_link_reads_one_object_until_it_expires(s3, store, key):
    await store.put(store.outputs, key, b"picture", "image/png")
    url = store.presign_read(store.outputs, key, 60)
    assert (await read_by_link(url))[:2] == (200, b"picture")
    assert (await read_by_link(url.replace("0.png", "1.png")))[0] == 403
    assert (await read_by_link(url.split("?")[0]))[0] == 403
    s3.turn_clock(signing_offset_s=61)
    assert (await read_by_link(url))[0] == 403


@pytest.mark.parametrize("name", ["cat.png", "Käse & Brot?.png", '"; evil="1.png', "a\r\nX-Injected: 1", "日本.mp4"])
async def test_a_link_names_the_file_and_nothing_breaks_out_of_the_name(store, key, name):
    await store.put(store.outputs, key, b"picture", "application/octet-stream")
    url = store.presign_read(store.outputs, key, 60, filename=name, media_type="image/png", disposition="attachment")
    status, _, headers = await read_by_link(url)
    assert status == 200
    assert headers["Content-Type"] == "image/png"
    disposition = headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.count('"') == 2
    assert "X-Injected" not in headers
    if name == "日本.mp4":
        assert quote(name) in disposition


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 24 * 3600 + 1])
def test_a_link_lives_no_longer_than_stores_allow(s3, expires_s):
    with pytest.raises(ValueError, match="seconds"):
        ObjectStore(s3.settings()).presign_read("outputs", "k", expires_s)


async def test_a_bucket_is_made_once_and_lets_its_objects_expire(s3, store):
    bucket = f"made-{uuid4().hex[:8]}"
    for _ in range(2):
        await store.ensure_bucket(bucket, {"std/": 8})
    await store.check(bucket)
    await store.put(bucket, "std/old", b"x", "image/png")
    await store.put(bucket, "kept/old", b"x", "image/png")
    s3.turn_clock(offset_s=9 * 86_400)
    assert not await store.exists(bucket, "std/old")
    assert await store.exists(bucket, "kept/old")
    with pytest.raises(NotFound):
        await store.check("no-such-bucket")


def test_a_service_that_only_signs_and_puts_does_not_load_boto3():
    code = "import sys, common.objects; assert not {'boto3', 'botocore.client'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_objects_are_ours():
    job = uuid4()
    assert output_key(job, 2, 0, "mp4") == f"std/{job.hex}/2/0.mp4"
    assert output_key(job, "s", 1, "png") == f"std/{job.hex}/s/1.png"
    for part, index, ext in (("x", 0, "png"), (-1, 0, "png"), (1, -1, "png"), (1, 0, "../x"), (1, 0, "PNG/")):
        with pytest.raises(ValueError, match=r"part|index"):
            output_key(job, part, index, ext)
    for name in ("", "../x", "a/b", ".hidden", "x" * 129):
        with pytest.raises(ValueError, match="staged"):
            staging_key(job, name)
