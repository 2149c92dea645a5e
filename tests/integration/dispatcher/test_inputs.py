"""Media that come with a request: sealed files are opened in memory and gone with the verdict."""

import asyncio

import pytest

from common.contracts import JobFailed, JobGenerated
from common.contracts.body import BodyInput
from common.objects import NotFound, staging_key
from common.sealing import FileSealer
from simulators import pictures

PICTURE = pictures.png(b"0123456789abcdef", 640, 640)


async def staged(dispatcher, name: str) -> BodyInput:
    """A sealed picture in the staging bucket, as the gateway leaves it."""
    sealer = FileSealer()
    event = dispatcher.event()
    key = staging_key(event.job_id, name)
    store = dispatcher.parts.store
    await store.put(store.staging, key, sealer.update(PICTURE) + sealer.finish(), "application/octet-stream")
    return BodyInput(role="first_frame", key=key, file_key=sealer.key, media_type="image/png", bytes=len(PICTURE))


async def gone(dispatcher, key: str) -> bool:
    async with asyncio.timeout(3):
        while True:
            try:
                await dispatcher.parts.store.head(dispatcher.parts.store.staging, key)
            except NotFound:
                return True
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("primary", ["ok", "accepted_then_failed"])
async def test_a_sealed_file_reaches_the_provider_and_is_deleted_with_the_verdict(dispatcher, providers, primary):
    providers.dial("ark", primary)
    frame = await staged(dispatcher, f"frame-{primary}")
    verdict = await dispatcher.run("seedance-2.0", "from a frame", inputs=(frame,))
    assert isinstance(verdict, JobGenerated), verdict
    assert verdict.provider == ("ark" if primary == "ok" else "fal")
    assert await gone(dispatcher, frame.key)


async def test_a_url_is_passed_on_as_it_is(dispatcher, providers):
    frame = BodyInput(role="first_frame", url="https://pictures.example/frame.png")
    assert isinstance(await dispatcher.run("seedance-2.0", "from a url", inputs=(frame,)), JobGenerated)
    assert len(providers.calls("ark", "from a url")) == 1


async def test_a_file_that_does_not_open_ends_the_job_without_a_call(dispatcher, providers):
    frame = await staged(dispatcher, "wrong-key")
    frame = frame.model_copy(update={"file_key": FileSealer().key})
    verdict = await dispatcher.run("seedance-2.0", "broken file", inputs=(frame,))
    assert isinstance(verdict, JobFailed) and verdict.code == "generation_failed"
    assert not providers.calls("ark", "broken file")


async def test_first_and_last_keep_their_places_in_whatever_order_they_came(dispatcher, providers):
    last, first = (
        BodyInput(role=f"{place}_frame", url=f"https://frames.example/{place}.png") for place in ("last", "first")
    )
    assert isinstance(await dispatcher.run("vidu-q3", "between two", inputs=(last, first)), JobGenerated)
    (call,) = providers.calls("vidu")
    assert call["request"]["images"] == ["https://frames.example/first.png", "https://frames.example/last.png"]
