import asyncio
import time

import aiohttp
import pytest

from simulators.links import Links, Output, seed_of
from support.house import House


def _link(house: House, ttl_s: float = 60, **fields: object) -> str:
    output = Output(seed_of("x"), 320, 256, "png", **fields)  # type: ignore[arg-type]
    return Links(house.urls["media"]).to(output, time.time() + ttl_s)


async def test_an_asset_has_type_length_and_etag(house: House):
    status, body, headers = await house.call("media", "GET", _link(house))
    assert (status, headers["content-type"], int(headers["content-length"])) == (200, "image/png", len(body))
    assert headers["etag"]
    status, nothing, headers = await house.call("media", "HEAD", _link(house))
    assert (status, nothing, int(headers["content-length"])) == (200, b"", len(body))


@pytest.mark.parametrize(
    ("asked", "start", "stop"), [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-7", -7, None)]
)
async def test_ranges_are_served(house: House, asked: str, start: int, stop: int | None):
    whole = (await house.call("media", "GET", _link(house)))[1]
    status, part, headers = await house.call("media", "GET", _link(house), headers={"range": asked})
    assert (status, part) == (206, whole[start:stop])
    assert headers["content-range"].endswith(f"/{len(whole)}")


async def test_a_range_beyond_the_end_is_416(house: House):
    assert (await house.call("media", "GET", _link(house), headers={"range": "bytes=99999999-"}))[0] == 416


async def test_a_link_expires(house: House):
    link = _link(house, ttl_s=0.3)
    assert (await house.call("media", "GET", link))[0] == 200
    await asyncio.sleep(0.35)
    assert (await house.call("media", "GET", link))[0] == 403


async def test_a_forged_link_is_refused(house: House):
    link = _link(house)
    for wrong in (
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.replace("320x256", "640x256"),
        link.split("?")[0],
    ):
        assert (await house.call("media", "GET", wrong))[0] == 403
    assert (await house.call("media", "GET", "/files/x/y.png"))[0] == 404


async def test_a_truncated_asset_ends_early(house: House):
    with pytest.raises(aiohttp.ClientPayloadError):
        await house.call("media", "GET", _link(house, variant="truncated"))


async def test_a_slow_asset_drips(house: House):
    await house.dial("media", "slow", drip_bytes_per_s=20_000)
    start = time.monotonic()
    body = (await house.call("media", "GET", _link(house)))[1]
    assert time.monotonic() - start > len(body) / 20_000 * 0.7


async def test_an_oversized_asset_is_as_large_as_its_link_says(house: House):
    body = (await house.call("media", "GET", _link(house, variant="oversized", oversized_bytes=3_000_000)))[1]
    assert len(body) == 3_000_000


@pytest.mark.parametrize(
    ("scenario", "status"), [("403", 403), ("404", 404), ("429", 429), ("500", 500), ("503", 503)]
)
async def test_the_host_may_fail(house: House, scenario: str, status: int):
    await house.dial("media", scenario, times=1)
    assert (await house.call("media", "GET", _link(house)))[0] == status
    assert (await house.call("media", "GET", _link(house)))[0] == 200


@pytest.mark.parametrize("scenario", ["hang", "reset", "never_finishes"])
async def test_the_host_may_fall_silent(house: House, scenario: str):
    await house.dial("media", scenario)
    with pytest.raises((TimeoutError, OSError, aiohttp.ClientError)):
        async with asyncio.timeout(0.2):
            await house.call("media", "GET", _link(house))
