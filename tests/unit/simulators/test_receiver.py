import asyncio
import time

import pytest

from support.house import House


async def _deliver(house: House, path: str = "/hook", **options: object):
    return await house.call("receiver", "POST", path, json={"type": "video.completed"}, **options)  # type: ignore[arg-type]


async def test_deliveries_are_kept_with_headers_and_body(house: House):
    assert (await _deliver(house, "/hook?a=1", headers={"webhook-id": "evt_1"}))[0] == 200
    kept = (await house.call("receiver", "GET", "/__deliveries"))[1]
    (delivery,) = kept["deliveries"]
    assert (delivery["path"], delivery["query"], delivery["status"]) == ("/hook", "a=1", 200)
    assert delivery["headers"]["webhook-id"] == "evt_1"
    assert delivery["body"] == '{"type": "video.completed"}'


@pytest.mark.parametrize(
    ("scenario", "fields", "status", "header"),
    [
        ("status", {"status": 418}, 418, {}),
        ("410", {}, 410, {}),
        ("429_retry_after", {"retry_after_s": 3}, 429, {"retry-after": "3"}),
        ("redirect", {"location": "http://127.0.0.1:1/"}, 302, {"location": "http://127.0.0.1:1/"}),
        ("500", {}, 500, {}),
    ],
)
async def test_it_answers_as_told(house: House, scenario: str, fields: dict, status: int, header: dict):
    await house.dial("receiver", scenario, **fields)
    answered, _, headers = await _deliver(house)
    assert answered == status
    assert header.items() <= headers.items()


async def test_one_path_may_have_dials_of_its_own(house: House):
    await house.dial("receiver", "500", path="/bad", times=1)
    assert [(await _deliver(house, path))[0] for path in ("/good", "/bad", "/bad")] == [200, 500, 200]
    kept = (await house.call("receiver", "GET", "/__deliveries", params={"path": "/bad"}))[1]
    assert [delivery["status"] for delivery in kept["deliveries"]] == [500, 200]


async def test_a_huge_answer_is_as_long_as_the_dial_says(house: House):
    await house.dial("receiver", "huge", oversized_bytes=2_000_000)
    assert len((await _deliver(house))[1]) == 2_000_000


async def test_a_hang_is_written_down_without_a_status(house: House):
    await house.dial("receiver", "hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await _deliver(house)
    (delivery,) = (await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]
    assert delivery["status"] is None


async def test_delay_is_waited(house: House):
    await house.dial("receiver", delay_ms=100)
    start = time.monotonic()
    await _deliver(house)
    assert time.monotonic() - start >= 0.1


async def test_what_is_kept_of_a_body_is_bounded(house: House):
    await house.call("receiver", "POST", "/big", data=b"x" * 200_000)
    (delivery,) = (await house.call("receiver", "GET", "/__deliveries"))[1]["deliveries"]
    assert delivery["bytes"] == 200_000
    assert len(delivery["body"]) <= 65_536
