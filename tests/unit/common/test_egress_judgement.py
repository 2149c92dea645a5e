"""What is refused when a URL is registered, and which addresses count as public."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.egress import EgressPolicy, EgressRefused, Origin, allowed_address, check_url

PUBLIC_V4, PUBLIC_V6 = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"
STRICT = EgressPolicy()
LOCAL = EgressPolicy.parse("127.0.0.0/8")


def answering(*addresses: str):
    async def lookup(host: str, port: int) -> list[str]:
        return list(addresses)

    return lookup


async def unanswered(host: str, port: int) -> list[str]:
    raise OSError("no such name")


ADDRESSES_REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",  # metadata of a cloud inside 100.64/10
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::7f00:1",
    "::93.184.216.34",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff0e::1",
]
ADDRESSES_ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    PUBLIC_V4,
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "223.255.255.254",
    PUBLIC_V6,
    "2001:4860:4860::8888",
    "2400:cb00::1",
    "::ffff:8.8.8.8",
]
NOT_ADDRESSES = [
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f.1",
    "017700000001",
    "127.0.0.01",
    "1.2.3.4.5",
    "１２７.0.0.1",
]


@pytest.mark.parametrize("address", ADDRESSES_REFUSED + NOT_ADDRESSES)
def test_an_address_outside_the_public_internet_is_refused(address):
    assert not allowed_address(address, ())


@pytest.mark.parametrize("address", ADDRESSES_ALLOWED)
def test_an_address_of_the_public_internet_is_allowed(address):
    assert allowed_address(address, ())


def test_an_allowed_network_allows_its_addresses_and_no_others():
    networks = EgressPolicy.parse("127.0.0.0/8, 10.1.0.0/16,fd00::/8").allow_cidrs
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd12::1"):
        assert allowed_address(address, networks)
    for address in ("10.2.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1"):
        assert not allowed_address(address, networks)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_gets_through_in_an_ipv6_disguise(address: ipaddress.IPv4Address):
    packed = int(address)
    for disguise in (packed, 0x64FF9B << 96 | packed, 0x2002 << 112 | packed << 80, 0xFFFF << 48 | packed):
        assert not allowed_address(str(ipaddress.IPv6Address(disguise)), ())
    mapped = str(ipaddress.IPv6Address(0xFFFF << 32 | packed))
    assert allowed_address(mapped, ()) == allowed_address(str(address), ())


URLS_REFUSED = [
    "",
    "example.com",
    "//example.com/",
    "http://example.com/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com:70/_x",
    "dict://example.com:11211/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "ws://example.com/",
    "wss://example.com/",
    "https://",
    "https:///path",
    "https://example.com:80/",
    "https://example.com:8443/",
    "https://example.com:22/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:x/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1?@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com./",
    "https://127.0.0.1./",
    "https://example.com/a b",
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com\r\n.evil.example/",
    "https://exa\tmple.com/",
    "https://example.com/\x00",
    " https://example.com/",
    "https://exam%70le.com/",
    "https://exa_mple!.com/",
    "https://-.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://example.com/" + "x" * 2048,
    "https://localhost/",
    "https://LOCALHOST/",
    "https://metadata/",
    "https://billing/",
    "https://metadata.google.internal/",
    "https://kubernetes.default.svc/",
    "https://gateway.reapi.svc.cluster.local/",
    "https://printer.lan/",
    "https://router.home.arpa/",
    "https://[::ffff:7f00:1]/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1%25eth0]/",
    "https://[64:ff9b::7f00:1]/",
    "https://127.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0/",
    "https://[::1",
]


@pytest.mark.parametrize("url", URLS_REFUSED)
async def test_a_url_that_must_not_be_registered_is_refused_with_a_sentence(url):
    with pytest.raises(EgressRefused) as refusal:
        await check_url(url, STRICT, lookup=answering(PUBLIC_V4))
    assert len(str(refusal.value)) > 20


ODD_SPELLINGS = [
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.1.nip.example/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://ⓛocalhost/",
]


@pytest.mark.parametrize("url", ODD_SPELLINGS)
async def test_an_odd_spelling_of_loopback_is_refused_by_what_it_means(url):
    with pytest.raises(EgressRefused):
        await check_url(url, STRICT, lookup=answering("127.0.0.1"))


@pytest.mark.parametrize("url", ["https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://017700000001/"])
async def test_the_systems_own_resolver_agrees_about_odd_spellings(url):
    with pytest.raises(EgressRefused):
        await check_url(url, STRICT)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0x8.0x8.0x8.0x8", "8.8.2056", "1.2.3.4.5", "a.b.0X7F", "x.0x"],
)
async def test_an_odd_spelling_of_an_address_is_refused_for_its_spelling_wherever_it_points(host):
    for policy in (STRICT, LOCAL):
        for answers in (PUBLIC_V4, "127.0.0.1"):
            with pytest.raises(EgressRefused, match="usual form"):
                await check_url(f"https://{host}/", policy, lookup=answering(answers))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/hook?a=1&b=%20",
        "https://EXAMPLE.com:443/",
        "https://hooks.example.co.uk/a/b",
        "https://bücher.example/",
        "https://xn--bcher-kva.example/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/",
        "https://user-name.example.com/@handle",
        "https://0x7f.example.com/",
        "https://127.0.0.1.example.com/",
        "https://1.0x7g/",
    ],
)
async def test_an_ordinary_public_url_is_registered(url):
    await check_url(url, STRICT, lookup=answering(PUBLIC_V4, PUBLIC_V6))


@pytest.mark.parametrize(
    "answers",
    [
        (PUBLIC_V4, "10.0.0.1"),
        ("10.0.0.1", PUBLIC_V4),
        (PUBLIC_V4, "::1"),
        (PUBLIC_V6, "127.0.0.1"),
        (PUBLIC_V4, "not an address"),
        (),
    ],
)
async def test_a_name_with_one_bad_answer_is_refused_altogether(answers):
    with pytest.raises(EgressRefused):
        await check_url("https://example.com/", STRICT, lookup=answering(*answers))


async def test_a_name_that_does_not_resolve_is_refused_and_named():
    with pytest.raises(EgressRefused, match=r"nowhere\.example cannot be found"):
        await check_url("https://nowhere.example/", STRICT, lookup=unanswered)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/hook", "https://127.0.0.1/", "http://localhost:9/"])
async def test_in_an_allowed_network_http_and_any_port_are_fine(url):
    await check_url(url, LOCAL, lookup=answering("127.0.0.1"))


@pytest.mark.parametrize("answers", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
async def test_localhost_means_its_allowed_address_where_it_has_another_family_too(answers):
    await check_url("http://localhost:9/", LOCAL, lookup=answering(*answers))
    with pytest.raises(EgressRefused):
        await check_url("http://localhost:9/", STRICT, lookup=answering(*answers))


@pytest.mark.parametrize(
    ("url", "answers"),
    [
        ("http://example.com:8080/", (PUBLIC_V4,)),
        ("http://example.com:8080/", ("127.0.0.1", PUBLIC_V4)),
        ("https://example.com:8080/", ("127.0.0.1", PUBLIC_V4)),
        ("https://example.com/", ("127.0.0.1", "10.0.0.1")),
        ("http://name.example:8080/", ("127.0.0.1", "::1")),
        ("http://localhost:8080/", ("::1",)),
        ("http://localhost:8080/", ("127.0.0.1", "::1", "10.0.0.1")),
        ("http://localhost:8080/", ("127.0.0.1", "fe80::1")),
        ("http://[::1]:8080/", ("::1",)),
        ("http://user@localhost:8080/", ("127.0.0.1",)),
    ],
)
async def test_an_allowed_network_helps_only_hosts_that_lie_in_it(url, answers):
    with pytest.raises(EgressRefused):
        await check_url(url, LOCAL, lookup=answering(*answers))


async def test_an_allowed_origin_is_that_origin_and_nothing_near_it():
    policy = EgressPolicy.parse("", "http://media.provider.example:9001, https://Cdn.Provider.example")
    for url in (
        "http://media.provider.example:9001/x.png",
        "https://cdn.provider.example:443/y",
        "https://CDN.provider.example/",
    ):
        await check_url(url, policy, lookup=answering("10.0.0.1"))
    for url in (
        "https://media.provider.example:9001/x.png",
        "http://media.provider.example:9002/x.png",
        "http://media.provider.example/x.png",
        "http://a.media.provider.example:9001/x.png",
        "http://media.provider.example.evil.example:9001/x.png",
        "http://cdn.provider.example/",
    ):
        with pytest.raises(EgressRefused):
            await check_url(url, policy, lookup=answering("10.0.0.1"))


def test_settings_are_read_in_one_spelling_and_mistakes_are_named():
    assert EgressPolicy.parse() == EgressPolicy.parse(" , ") == EgressPolicy()
    assert Origin.parse("HTTPS://Media.Example") == Origin("https", "media.example", 443)
    assert Origin.parse("http://[::1]:9001/") == Origin("http", "::1", 9001)
    assert EgressPolicy.parse("127.0.0.1/8,fd00::1/8") == EgressPolicy.parse("127.0.0.0/8,fd00::/8")
    for part in ("10.0.0.0/33", "everything", "10.0.0.0-10.0.0.9", "localhost"):
        with pytest.raises(ValueError, match=re.escape(repr(part))):
            EgressPolicy.parse(f"127.0.0.0/8, {part}")
    for origin in (
        "media.example",
        "https://media.example/path",
        "https://u@media.example",
        "ftp://x",
        "https://*.x?y",
    ):
        with pytest.raises(ValueError, match="origin"):
            EgressPolicy.parse("", [origin])
