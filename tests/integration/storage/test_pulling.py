"""Outputs at a provider's address: streamed into our bucket as what they are, or lost and never charged."""

import asyncio
import hashlib
import os
import resource
import struct
from datetime import timedelta

import pytest

from common.clock import now
from common.contracts import JobFailed, JobStored
from common.messaging import TryLater
from simulators import films
from support.origin import answer, flood, hang, promising, reset

from .conftest import MAX_BYTES, PNG, TTL_S, Storage, a_replica, heavy_png

MIB = 1024 * 1024


async def stored(storage: Storage, *paths: str, **fields: object) -> JobStored:
    result = await storage.replica.store(storage.generated(*paths, **fields))
    assert isinstance(result, JobStored), result
    return result


@pytest.mark.parametrize("sized", [True, False])
async def test_an_output_is_kept_with_its_own_hash_size_and_type(storage: Storage, sized: bool) -> None:
    url = storage.origin.on("/a", answer(200, PNG, sized=sized, content_type="text/plain"))
    result = await stored(storage, url)
    [output] = result.outputs
    assert (output.index, output.media_type, output.bytes) == (0, "image/png", len(PNG))
    assert output.sha256 == hashlib.sha256(PNG).hexdigest()
    assert output.key == f"std/{result.job_id.hex}/s/0.png"
    assert await storage.content(output.key) == PNG
    assert abs((output.expires_at - now()).total_seconds() - TTL_S) < 5
    [row] = storage.rows(result.job_id)
    assert (row["sha256"], row["state"], row["account_id"]) == (output.sha256, "stored", storage.account)


@pytest.mark.parametrize("sized", [True, False])
async def test_a_large_film_passes_through_in_pieces(storage: Storage, sized: bool) -> None:
    film = await asyncio.to_thread(films.encode, films.Shape(320, 180, 2, audio=True))
    whole = film + bytes(18 * MIB)
    url = storage.origin.on("/film", answer(200, whole, sized=sized))
    [output] = (await stored(storage, url, kind="video")).outputs
    assert (output.media_type, output.bytes) == ("video/mp4", len(whole))
    assert output.sha256 == hashlib.sha256(whole).hexdigest()
    assert await storage.content(output.key) == whole


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("html", answer(200, b"<!doctype html><html><body>Please sign in</body></html>", content_type="image/png")),
        ("empty", answer(200, b"")),
        ("empty unsized", answer(200, b"", sized=False)),
        ("film for a picture", answer(200, b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(100))),
        ("announced too large", promising(PNG, MAX_BYTES + 1)),
        ("too large unannounced", flood(PNG, MAX_BYTES + MIB, sized=False)),
        ("half a picture", answer(200, PNG[: len(PNG) // 2])),
        ("half a picture unsized", answer(200, PNG[: len(PNG) // 2], sized=False)),
        ("half a large picture", answer(200, heavy_png(MIB)[: MIB // 2])),
        ("a large picture cut short", answer(200, heavy_png(10 * MIB)[:-20], sized=False)),
        ("400", answer(400)),
        ("410", answer(410)),
        ("204", answer(204)),
    ],
)
async def test_what_is_no_output_is_lost_at_the_first_try(storage: Storage, name: str, reply: object) -> None:
    url = storage.origin.on("/bad", reply)
    event = storage.generated(url)
    result = await storage.replica.store(event)
    assert isinstance(result, JobFailed)
    assert (result.stage, result.code) == ("storage", "output_unavailable")
    assert len(storage.origin.seen) == 1
    [row] = storage.rows(event.job_id)
    assert (row["state"], row["key"]) == ("lost", None)
    assert await storage.replica.objects.list_prefix("outputs", f"std/{event.job_id.hex}/") == []
    assert await storage.replica.store(event) == result
    assert len(storage.origin.seen) == 1


def a_film() -> bytes:
    return films.encode(films.Shape(64, 64, 1))


def box(kind: bytes, size: int) -> bytes:
    """The beginning of a box."""
    return struct.pack(">I4s", size, kind)


@pytest.mark.parametrize("sized", [True, False])
async def test_a_film_that_cannot_be_played_is_lost_and_leaves_no_object(storage: Storage, sized: bool) -> None:
    film = await asyncio.to_thread(a_film)
    noise = box(b"ftyp", 24) + b"isom\0\0\2\0isomiso2" + box(b"mdat", 8 + 300_000) + os.urandom(300_000)
    for body in (film[: len(film) // 2], film[:-1], noise, film + box(b"mdat", 9 * MIB) + bytes(8 * MIB)):
        event = storage.generated(storage.origin.on("/torn", answer(200, body, sized=sized)), kind="video")
        assert isinstance(await storage.replica.store(event), JobFailed)
        assert await storage.replica.objects.list_prefix("outputs", f"std/{event.job_id.hex}/") == []
        assert len(storage.origin.at("/torn")) == 1
        storage.origin.seen.clear()


@pytest.mark.parametrize("sized", [True, False])
async def test_a_film_longer_or_larger_than_was_paid_for_is_not_kept(storage: Storage, sized: bool) -> None:
    film = await asyncio.to_thread(films.encode, films.Shape(128, 64, 2, audio=True))
    url = storage.origin.on("/film", answer(200, film, sized=sized))
    for most_ms, most_edge in ((1_500, 64), (2_500, 63)):
        event = storage.generated(url, kind="video", most_ms=most_ms, most_edge=most_edge)
        result = await storage.replica.store(event)
        assert isinstance(result, JobFailed)
        assert (result.stage, result.code) == ("storage", "source_exceeds_declared")
        assert [(row["state"], row["gone"]) for row in storage.rows(event.job_id)] == [("lost", "too_much")]
        assert await storage.replica.objects.list_prefix("outputs", f"std/{event.job_id.hex}/") == []
        assert await storage.replica.store(event) == result
    assert len(storage.origin.at("/film")) == 2
    [output] = (await stored(storage, url, kind="video", most_ms=2_500, most_edge=64)).outputs
    assert await storage.content(output.key) == film


async def test_a_film_that_cannot_be_measured_is_lost_where_its_length_is_paid_for(storage: Storage) -> None:
    webm = b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm" + bytes(100)
    fragments = box(b"ftyp", 24) + b"isom\0\0\2\0isomiso2" + box(b"moov", 16) + box(b"mvex", 8)
    for body in (webm, fragments):
        url = storage.origin.on("/film", answer(200, body))
        event = storage.generated(url, kind="video", most_ms=60_000, most_edge=2_160)
        result = await storage.replica.store(event)
        assert isinstance(result, JobFailed)
        assert result.code == "output_unavailable"


@pytest.mark.parametrize("status", [403, 404])
async def test_an_output_that_a_cdn_does_not_know_yet_is_asked_for_twice_more(storage: Storage, status: int) -> None:
    url = storage.origin.on("/lag", answer(status), answer(status), answer(200, PNG))
    assert len((await stored(storage, url)).outputs) == 1
    gone = storage.origin.on("/gone", answer(status, b"<Error><Code>RequestExpired</Code></Error>"))
    assert isinstance(await storage.replica.store(storage.generated(gone)), JobFailed)
    assert len(storage.origin.at("/gone")) == 3


@pytest.mark.parametrize("reply", [answer(500), promising(PNG[:100], len(PNG))], ids=["500", "truncated"])
async def test_a_provider_that_keeps_failing_is_given_up_long_before_the_deadline(
    storage: Storage, urls, s3, reply: object
) -> None:
    event = storage.generated(storage.origin.on("/bad", reply))
    async with a_replica(urls, s3, provider_patience_s=2.5) as replica:
        deliveries = 0
        async with asyncio.timeout(10):
            while True:
                deliveries += 1
                try:
                    result = await replica.store(event)
                except TryLater:
                    continue
                break
    assert isinstance(result, JobFailed)
    assert 2 <= deliveries <= 4


async def test_waiting_for_a_turn_is_no_failure_of_the_provider(storage: Storage, urls, s3, monkeypatch) -> None:
    monkeypatch.setattr("storage.pulling.TURN_S", 0.05)
    slow, other = storage.origin.on("/slow", answer(200, PNG, after_s=4)), storage.origin.on("/a", answer(200, PNG))
    async with a_replica(urls, s3, max_per_provider=1, provider_patience_s=0, read_timeout_s=10) as replica:
        first = asyncio.create_task(replica.store(storage.generated(slow)))
        await asyncio.sleep(0.2)
        waiting = storage.generated(other)
        for _ in range(2):
            with pytest.raises(TryLater):
                await replica.store(waiting)
        assert isinstance(await first, JobStored)
        assert isinstance(await replica.store(waiting), JobStored)


@pytest.mark.parametrize(
    "reply",
    [answer(500), answer(503), answer(429), reset, promising(PNG[:100], len(PNG)), answer(408)],
    ids=["500", "503", "429", "reset", "truncated", "408"],
)
async def test_a_passing_failure_is_tried_again_at_once(storage: Storage, reply: object) -> None:
    url = storage.origin.on("/flaky", reply, reply, answer(200, PNG))
    [output] = (await stored(storage, url)).outputs
    assert await storage.content(output.key) == PNG
    assert len(storage.origin.seen) == 3


@pytest.mark.parametrize("reply", [hang, promising(PNG, 2 * MIB, then_hang=True)], ids=["silent", "stalls"])
async def test_a_host_that_hangs_gives_the_delivery_back(storage: Storage, urls, s3, reply: object) -> None:
    event = storage.generated(storage.origin.on("/hang", reply))
    async with a_replica(urls, s3, read_timeout_s=0.3, timeout_s=1) as replica:
        with pytest.raises(TryLater) as later:
            await replica.store(event)
        assert later.value.after_ms >= 1_000
        storage.origin.on("/hang", answer(200, PNG))
        assert isinstance(await replica.store(event), JobStored)


async def test_a_drip_is_cut_off_by_the_whole_time_limit(storage: Storage, urls, s3) -> None:
    event = storage.generated(
        storage.origin.on("/drip", promising(PNG + bytes(40_960), MIB, pace_s=0.2)),
        deadline_at=now() - timedelta(hours=1),
    )
    async with a_replica(urls, s3, timeout_s=0.5) as replica:
        began = asyncio.get_running_loop().time()
        assert isinstance(await replica.store(event), JobFailed)
        assert asyncio.get_running_loop().time() - began < 5


async def test_outputs_that_came_are_not_fetched_again_while_others_are_waited_for(storage: Storage) -> None:
    good, bad = storage.origin.on("/good", answer(200, PNG)), storage.origin.on("/bad", answer(500))
    event = storage.generated(good, bad)
    for _ in range(2):
        with pytest.raises(TryLater):
            await storage.replica.store(event)
    assert len(storage.origin.at("/good")) == 1
    late = event.model_copy(update={"deadline_at": now() - timedelta(seconds=301)})
    result = await storage.replica.store(late)
    assert isinstance(result, JobStored)
    assert (result.wanted, [one.index for one in result.outputs]) == (2, [0])
    assert await storage.replica.store(event) == result


async def test_part_of_the_outputs_is_said_to_be_stored(storage: Storage) -> None:
    good, gone = storage.origin.on("/good", answer(200, PNG)), storage.origin.on("/gone", answer(410))
    result = await stored(storage, good, gone, good)
    assert (result.wanted, [one.index for one in result.outputs]) == (3, [0, 2])


async def test_after_the_deadline_there_is_one_last_try(storage: Storage) -> None:
    late = now() - timedelta(seconds=301)
    assert await stored(storage, storage.origin.on("/ok", answer(200, PNG)), deadline_at=late)
    event = storage.generated(storage.origin.on("/bad", answer(503)), deadline_at=late)
    assert isinstance(await storage.replica.store(event), JobFailed)


async def test_an_address_that_is_not_allowed_is_never_dialled(storage: Storage) -> None:
    storage.origin.on("/a", answer(200, PNG))
    port = storage.origin.port
    refused = [
        f"http://127.0.0.1:{port}/a",
        f"https://127.0.0.1:{port}/a",
        f"http://localhost:{port}/a",
        f"http://2130706433:{port}/a",
        f"http://[::ffff:7f00:1]:{port}/a",
        f"http://user@127.0.0.1:{port}/a",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "not a url",
        "",
    ]
    result = await storage.replica.store(storage.generated(*refused, allowed=False))
    assert isinstance(result, JobFailed)
    assert storage.origin.connections == 0


async def test_an_allowed_origin_opens_no_other(storage: Storage) -> None:
    storage.origin.on("/a", answer(200, PNG))
    event = storage.generated(f"http://localhost:{storage.origin.port}/a")
    assert isinstance(await storage.replica.store(event), JobFailed)
    assert storage.origin.connections == 0


async def test_redirects_are_followed_and_each_hop_is_judged(storage: Storage) -> None:
    storage.origin.on("/final", answer(200, PNG))
    url = storage.origin.on("/moved", answer(302, location="/final"))
    assert len((await stored(storage, url)).outputs) == 1
    inside = storage.origin.on("/inside", answer(302, location=f"http://localhost:{storage.origin.port}/final"))
    before = storage.origin.connections
    round_trip = storage.origin.on("/round", answer(302, location="/round"))
    result = await storage.replica.store(storage.generated(inside, round_trip))
    assert isinstance(result, JobFailed)
    assert len(storage.origin.at("/final")) == 1
    assert len(storage.origin.at("/round")) <= 5
    assert storage.origin.connections <= before + 2


async def test_a_hanging_provider_holds_up_nobody_else(storage: Storage, urls, s3) -> None:
    hanging = [storage.generated(storage.origin.on("/hang", hang), provider="slow") for _ in range(12)]
    fine = storage.origin.on("/fine", answer(200, PNG))
    async with a_replica(urls, s3, max_per_provider=4, read_timeout_s=1.5) as replica:
        waiting = [asyncio.create_task(replica.store(event)) for event in hanging]
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(replica.store(storage.generated(fine, provider="quick")) for _ in range(20)))
        assert asyncio.get_running_loop().time() - began < 2
        assert storage.origin.most_busy["/hang"] <= 4
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, TryLater) for one in results), results


async def test_many_large_outputs_take_little_memory(storage: Storage, urls, s3) -> None:
    film = await asyncio.to_thread(a_film)
    head = film + box(b"free", 16 * MIB - len(film))
    url = storage.origin.on("/large", flood(head, 16 * MIB, sized=False))
    sized = storage.origin.on("/sized", flood(head, 16 * MIB, sized=True))
    await storage.replica.objects.list_prefix("outputs", "none/")  # what the client itself costs, once
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with a_replica(urls, s3, timeout_s=60, read_timeout_s=20, max_unsized=2) as replica:
        events = [storage.generated(one, kind="video") for one in (url, sized) for _ in range(12)]

        async def patiently(event):
            while True:
                try:
                    return await replica.store(event)
                except TryLater:
                    await asyncio.sleep(0.1)

        results = await asyncio.gather(*(patiently(event) for event in events))
    assert all(isinstance(one, JobStored) for one in results)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    assert grown_mib < 120, grown_mib
