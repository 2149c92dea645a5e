"""Name to addresses: one customer's dead name server costs that customer, and nobody else."""

import asyncio
import errno
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from common.egress import lookup
from common.egress.lookup import PER_DOMAIN, PER_HOST, THREADS, Lookups


class NameServer:
    """Answers at once, but is silent about ``dead`` domains until it is told to speak."""

    def __init__(self, *dead: str) -> None:
        self.dead = dead
        self.asked: Counter[str] = Counter()
        self._speak = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked[host] += 1
        if host.endswith(self.dead):
            self._speak.wait(10)
        return ["93.184.216.34"]

    def speak(self) -> None:
        self._speak.set()


@pytest.fixture
def server() -> Iterator[NameServer]:
    one = NameServer("dead.example", "dead.co.uk")
    yield one
    one.speak()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(lookup, "WAIT_S", 0.2)


async def failing(lookups: Lookups, host: str) -> OSError:
    with pytest.raises(OSError, match=r"\w") as failure:
        await lookups(host, 443)
    return failure.value


async def test_a_dead_name_server_delays_nobody_else(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "TIMEOUT_S", 1.5)
    monkeypatch.setattr(lookup, "WAIT_S", 1.0)
    lookups = Lookups(server)
    stuck = [asyncio.create_task(failing(lookups, f"{n}.dead.example")) for n in range(200)]
    await asyncio.sleep(0.05)
    for host in ("a.example", "b.example.org", "dead.example.org"):
        assert await lookups(host, 443) == ["93.184.216.34"]
    assert not any(one.done() for one in stuck)
    await asyncio.gather(*stuck)
    assert sum(server.asked[f"{n}.dead.example"] for n in range(200)) == PER_DOMAIN


async def test_callers_of_one_host_share_one_lookup_and_its_end(server: NameServer) -> None:
    lookups = Lookups(server)
    callers = [asyncio.create_task(lookups("dead.example", port)) for port in range(1, 101)]
    await asyncio.sleep(0.05)
    callers[0].cancel()
    server.speak()
    answers = await asyncio.gather(*callers[1:])
    assert answers == [["93.184.216.34"]] * 99
    assert server.asked["dead.example"] == 1
    await lookups("dead.example", 443)
    assert server.asked["dead.example"] == 2, "what was answered is not kept"


async def test_a_host_gets_its_places_and_then_a_plain_refusal_until_one_is_free(server: NameServer) -> None:
    lookups = Lookups(server)
    for _ in range(PER_HOST):
        assert isinstance(await failing(lookups, "dead.example"), TimeoutError)
    began = time.monotonic()
    refused = await failing(lookups, "dead.example")
    assert 0.1 < time.monotonic() - began < 3
    assert refused.errno == errno.EAGAIN
    assert "dead.example" in str(refused)
    assert server.asked["dead.example"] == PER_HOST
    waiting = asyncio.create_task(lookups("dead.example", 443))
    await asyncio.sleep(0.05)
    server.speak()
    assert await waiting == ["93.184.216.34"]


async def test_a_suffix_that_strangers_share_is_not_one_domain(server: NameServer) -> None:
    lookups = Lookups(server)
    stuck = [asyncio.create_task(failing(lookups, f"{n}.dead.co.uk")) for n in range(PER_DOMAIN)]
    await asyncio.sleep(0.05)
    assert await lookups("alive.co.uk", 443)
    await asyncio.gather(*stuck)


async def test_the_time_to_answer_begins_with_the_lookup_not_with_the_wait(server: NameServer) -> None:
    lookups = Lookups(server)
    hosts = [f"{n}.x{n // PER_DOMAIN}.example" for n in range(THREADS)]
    server.dead = tuple(hosts)
    stuck = [asyncio.create_task(failing(lookups, host)) for host in hosts]
    await asyncio.sleep(0.15)
    waiting = asyncio.create_task(lookups("late.example.org", 443))
    await asyncio.sleep(0.15)
    assert server.asked["late.example.org"] == 0
    server.speak()
    assert await waiting == ["93.184.216.34"]
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_what_the_resolver_says_is_what_callers_get() -> None:
    def unknown(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    failures = await asyncio.gather(*(failing(Lookups(unknown), "nowhere.example") for _ in range(3)))
    assert {type(one) for one in failures} == {socket.gaierror}
    assert {one.errno for one in failures} == {socket.EAI_NONAME}


async def test_the_systems_resolver_is_asked_for_the_real_thing() -> None:
    assert "127.0.0.1" in await lookup.system_lookup("localhost", 80)
    with pytest.raises(OSError, match=r"\w"):
        await lookup.system_lookup("x" * 70 + ".example", 443)
