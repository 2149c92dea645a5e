"""One customer's slow name server holds up nobody else's lookups."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from common.egress import lookup
from common.egress.lookup import Lookups


@pytest.fixture
def slow() -> Iterator[threading.Event]:
    """Names below slow.example are answered when this is set."""
    answered = threading.Event()
    yield answered
    answered.set()


def resolving(slow: threading.Event, asked: list[str]) -> Lookups:
    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if host.endswith("slow.example"):
            slow.wait(30)
        return ["192.0.2.1", "192.0.2.1"]

    return Lookups(resolve)


async def test_a_slow_domain_takes_its_own_places_and_nobody_elses(slow: threading.Event) -> None:
    lookups = resolving(slow, [])
    waiting = [asyncio.create_task(lookups(f"{number}.slow.example", 443)) for number in range(200)]
    await asyncio.sleep(0.1)
    began = time.monotonic()
    assert await lookups("quick.example", 443) == ["192.0.2.1"]
    assert time.monotonic() - began < 1
    refused = [task for task in waiting if task.done()]
    assert len(refused) == 196
    assert all(isinstance(task.exception(), socket.gaierror) for task in refused)
    slow.set()
    assert [await task for task in waiting if task not in refused] == [["192.0.2.1"]] * 4
    assert await lookups("again.slow.example", 443) == ["192.0.2.1"], "its places are free again"


async def test_one_host_is_asked_about_once_at_a_time(slow: threading.Event) -> None:
    asked: list[str] = []
    lookups = resolving(slow, asked)
    waiting = [asyncio.create_task(lookups("www.slow.example", 443)) for _ in range(50)]
    await asyncio.sleep(0.1)
    waiting[0].cancel()
    slow.set()
    assert await asyncio.gather(*waiting[1:]) == [["192.0.2.1"]] * 49
    assert asked == ["www.slow.example"]
    await lookups("www.slow.example", 443)
    assert len(asked) == 2, "an answer is not kept: it may be another a moment later"


async def test_nobody_waits_for_ever(slow: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "TIMEOUT_S", 0.05)
    with pytest.raises(TimeoutError):
        await resolving(slow, [])("www.slow.example", 443)
