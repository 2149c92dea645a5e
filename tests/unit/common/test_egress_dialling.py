"""What is dialled: real sockets on loopback, and a listener that counts who came."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import uvloop
from yarl import URL

from common.egress import EgressPolicy, EgressRefused, GuardedSession, check_url, guarded_session, read_at_most

STRICT = EgressPolicy()
ONLY_SECOND = EgressPolicy.parse("127.0.0.2/32")
"""Allows one loopback address, so that what is decided by address can be seen at any port."""


class Listener:
    """An HTTP server on loopback that counts connections and answers as told."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.connections = 0
        self.requests: list[bytes] = []
        self.answer: Callable[[], bytes] = lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head)
                writer.write(self.answer())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Listener]:
    listener = Listener(host)
    server = await asyncio.start_server(listener, host, port)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as one:
        yield one


def answering(*rounds: tuple[str, ...]):
    """A name server that gives each look-up the next answer, and then the last one for ever."""
    left = list(rounds)

    async def lookup(host: str, port: int) -> list[str]:
        return list(left.pop(0) if len(left) > 1 else left[0])

    return lookup


def redirecting(status: int, location: str) -> Callable[[], bytes]:
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return head.encode


async def fetched(session: GuardedSession, url: str | URL, **options: object) -> bytes:
    async with session.get(url, **options) as answer:
        return await answer.read()


SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.01:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::]:{port}/",
    "http://[::1]:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://public.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    "http://127.0.0.1:{port}?@public.example/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_loopback_is_ever_connected_to(listener, spelling):
    url = spelling.format(port=listener.port)
    # The second policy lets http and this port pass for another address: only the address dialled can refuse here.
    for policy in (STRICT, ONLY_SECOND):
        async with guarded_session(policy) as session:
            with pytest.raises(EgressRefused):
                await fetched(session, url)
            try:
                unchecked = URL(url)
            except ValueError:
                continue
            # Some resolvers do not know the stranger ones ("localhost."), which is as good.
            with pytest.raises((EgressRefused, aiohttp.ClientConnectorDNSError)):
                await fetched(session, unchecked)
    assert listener.connections == 0


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]", "[::1]", "169.254.169.254", "localhost"]
)
async def test_the_proper_port_and_scheme_do_not_help_a_private_address(host):
    async with guarded_session(STRICT) as session:
        with pytest.raises(EgressRefused):
            await fetched(session, URL(f"https://{host}/"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "fec0::1",
    ],
)
async def test_a_public_name_with_a_private_address_is_not_dialled(address):
    async with guarded_session(STRICT, lookup=answering((address,))) as session:
        with pytest.raises(EgressRefused, match="public internet"):
            await fetched(session, "https://public.example/")


async def test_a_name_that_changes_its_answer_after_registration_gains_nothing(listener):
    url = f"http://rebinding.example:{listener.port}/"
    lookup = answering(("127.0.0.2",), ("127.0.0.1",))
    await check_url(url, ONLY_SECOND, lookup=lookup)
    async with guarded_session(ONLY_SECOND, lookup=lookup) as session:
        with pytest.raises(EgressRefused):
            await fetched(session, url)
    assert listener.connections == 0


async def test_a_name_that_changes_its_answer_between_two_requests_is_judged_again():
    async with listening("127.0.0.2") as allowed, listening("127.0.0.1", allowed.port) as forbidden:
        lookup = answering(("127.0.0.2",), ("127.0.0.1",))
        async with guarded_session(ONLY_SECOND, lookup=lookup, force_close=True) as session:
            url = f"http://rebinding.example:{allowed.port}/"
            assert await fetched(session, url) == b"ok"
            with pytest.raises(EgressRefused):
                await fetched(session, url)
        assert (allowed.connections, forbidden.connections) == (1, 0)


@pytest.mark.parametrize("answers", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "::1")])
async def test_a_name_with_one_bad_answer_is_not_dialled_at_all(answers):
    async with listening("127.0.0.2") as allowed, listening("127.0.0.1", allowed.port) as forbidden:
        async with guarded_session(ONLY_SECOND, lookup=answering(answers)) as session:
            with pytest.raises(EgressRefused):
                await fetched(session, f"http://mixed.example:{allowed.port}/")
        assert (allowed.connections, forbidden.connections) == (0, 0)


async def test_a_redirect_is_an_answer_unless_it_is_asked_to_be_followed(listener):
    async with listening("127.0.0.2") as hop:
        hop.answer = redirecting(302, listener.url)
        async with guarded_session(ONLY_SECOND) as session:
            async with session.get(hop.url) as answer:
                assert answer.status == 302
            with pytest.raises(EgressRefused):
                await fetched(session, hop.url, allow_redirects=True)
    assert listener.connections == 0


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1:{port}/", "http://2130706433:{port}/"]
)
async def test_no_redirect_leads_inside(listener, target):
    async with listening("127.0.0.2") as hop:
        location = target.format(port=listener.port)
        hop.answer = redirecting(307, location)
        async with guarded_session(ONLY_SECOND) as session:
            with pytest.raises((EgressRefused, aiohttp.ClientError)):
                await fetched(session, hop.url, allow_redirects=True)
    assert listener.connections == 0


async def test_an_allowed_network_is_reached_over_http_at_any_port(listener):
    async with guarded_session(EgressPolicy.parse("127.0.0.0/8")) as session:
        assert await fetched(session, listener.url) == b"ok"
        assert await fetched(session, f"http://localhost:{listener.port}/") == b"ok"


@pytest.mark.parametrize("answers", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
async def test_of_localhost_only_the_allowed_address_is_dialled(answers):
    async with listening("::1") as other, listening("127.0.0.1", other.port) as allowed:
        async with guarded_session(EgressPolicy.parse("127.0.0.0/8"), lookup=answering(answers)) as session:
            assert await fetched(session, f"http://localhost:{allowed.port}/") == b"ok"
            for refused in (f"http://name.example:{allowed.port}/", f"http://[::1]:{allowed.port}/"):
                with pytest.raises(EgressRefused):
                    await fetched(session, refused)
        assert (allowed.connections, other.connections) == (1, 0)


async def test_localhost_falls_back_on_no_address_that_was_not_allowed():
    async with listening("::1") as other:
        lookup = answering(("127.0.0.1", "::1"))
        async with guarded_session(EgressPolicy.parse("127.0.0.0/8"), lookup=lookup) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await fetched(session, f"http://localhost:{other.port}/")
        assert other.connections == 0


async def test_an_allowed_origin_lends_nothing_to_other_requests_not_even_its_open_connection(listener):
    policy = EgressPolicy.parse("", f"http://localhost:{listener.port}")
    async with guarded_session(policy) as session:
        allowed = f"http://localhost:{listener.port}/"
        assert await fetched(session, allowed) == b"ok"
        for other in (
            f"http://127.0.0.1:{listener.port}/",
            f"https://localhost:{listener.port}/",
        ):
            with pytest.raises(EgressRefused):
                await fetched(session, other)
        assert await fetched(session, allowed) == b"ok"
    assert listener.connections == 1


async def test_requests_at_the_same_time_are_judged_each_by_its_own_origin(listener):
    policy = EgressPolicy.parse("", f"http://localhost:{listener.port}")
    async with guarded_session(policy) as session:
        urls = [f"http://{host}:{listener.port}/" for host in ("localhost", "127.0.0.1") * 20]
        results = await asyncio.gather(*(fetched(session, url) for url in urls), return_exceptions=True)
    assert results[::2] == [b"ok"] * 20
    assert all(isinstance(result, EgressRefused) for result in results[1::2])


async def test_an_origins_redirect_elsewhere_is_not_covered_by_its_permission(listener):
    async with listening("127.0.0.2") as origin:
        origin.answer = redirecting(302, listener.url)
        async with guarded_session(EgressPolicy.parse("", f"http://127.0.0.2:{origin.port}")) as session:
            with pytest.raises(EgressRefused):
                await fetched(session, origin.url, allow_redirects=True)
    assert listener.connections == 0


async def test_proxies_are_not_used_neither_from_the_environment_nor_on_request(listener, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, listener.url)
    async with listening("127.0.0.2") as target, guarded_session(ONLY_SECOND) as session:
        assert await fetched(session, target.url) == b"ok"
        with pytest.raises(EgressRefused, match="proxy"):
            await fetched(session, target.url, proxy=listener.url)
    assert listener.connections == 0


async def test_a_host_that_is_merely_down_is_not_called_refused(listener):
    async with guarded_session(EgressPolicy.parse("127.0.0.0/8")) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetched(session, "http://127.0.0.1:1/")


async def test_a_second_address_is_tried_when_the_first_is_down(listener):
    policy = EgressPolicy.parse("127.0.0.0/8")
    async with guarded_session(policy, lookup=answering(("127.0.0.9", "127.0.0.1"))) as session:
        assert await fetched(session, f"http://two.example:{listener.port}/") == b"ok"


async def test_a_name_that_does_not_resolve_fails_as_a_connection():
    async def lookup(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    async with guarded_session(STRICT, lookup=lookup) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetched(session, "https://nowhere.example/")


async def test_a_small_answer_does_not_become_a_large_one(listener):
    bomb = zlib.compress(b"\0" * 10_000_000)
    listener.answer = lambda: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    )
    async with guarded_session(EgressPolicy.parse("127.0.0.0/8")) as session:
        assert len(await fetched(session, listener.url)) == len(bomb)
    assert b"accept-encoding: identity" in listener.requests[0].lower()


async def test_of_an_endless_answer_only_the_beginning_is_read(listener):
    listener.answer = lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000
    async with guarded_session(EgressPolicy.parse("127.0.0.0/8")) as session, session.get(listener.url) as answer:
        assert await read_at_most(answer, 4096) == b"x" * 4096


async def test_slow_headers_and_oversized_ones_end_in_an_error(listener):
    policy = EgressPolicy.parse("127.0.0.0/8")
    listener.answer = lambda: b"HTTP/1.1 200 OK\r\nX-Slow: "
    async with guarded_session(policy, timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        with pytest.raises(TimeoutError):
            await fetched(session, listener.url)
    listener.answer = lambda: b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n"
    async with guarded_session(policy) as session:
        with pytest.raises(aiohttp.ClientError):
            await fetched(session, listener.url)


async def test_cookies_of_strangers_are_not_kept(listener):
    listener.answer = lambda: b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
    async with guarded_session(EgressPolicy.parse("127.0.0.0/8")) as session:
        await fetched(session, f"http://localhost:{listener.port}/")
        await fetched(session, f"http://localhost:{listener.port}/")
    assert b"cookie" not in listener.requests[1].lower()


def test_the_guard_holds_on_the_loop_that_services_run():
    async def attempt() -> int:
        async with listening("127.0.0.2") as allowed, listening("127.0.0.1", allowed.port) as forbidden:
            async with guarded_session(ONLY_SECOND, lookup=answering(("127.0.0.2",), ("127.0.0.1",))) as session:
                assert await fetched(session, f"http://a.example:{allowed.port}/") == b"ok"
                for url in (f"http://b.example:{allowed.port}/", forbidden.url):
                    with pytest.raises(EgressRefused):
                        await fetched(session, url)
            return forbidden.connections

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(attempt()) == 0
