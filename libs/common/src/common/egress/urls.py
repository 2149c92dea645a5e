"""Judging a URL when it is registered, so that its owner hears at once what is wrong with it."""

import re

from yarl import URL

from common.egress.addresses import parse_address
from common.egress.errors import EgressRefused
from common.egress.lookup import Lookup, system_lookup
from common.egress.policy import EgressPolicy, Origin

_MAX_URL_CHARS = 2048
# Parsers disagree about these, and where they disagree a check and a request see different hosts.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\Z"
)
# No name ends so, and resolvers read "0x7f.1" and "2130706433" as addresses (WHATWG URL, "ends in a number checker").
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z")


def parse_url(url: str) -> URL:
    """The URL, if every parser reads it alike: absolute, no user-info, a plain host. Raises EgressRefused."""
    if len(url) > _MAX_URL_CHARS:
        raise EgressRefused(f"the URL is longer than {_MAX_URL_CHARS} characters")
    if _AMBIGUOUS.search(url):
        raise EgressRefused("the URL holds spaces, control characters or a backslash; percent-encode them")
    try:
        parsed = URL(url)
        origin = Origin.of(parsed)
    except ValueError as exc:
        raise EgressRefused("this is not a URL; use one like https://example.com/path") from exc
    # The text before the path, not only the parsed parts: an empty user ("https://@host") counts too.
    if "@" in url.split("://", 1)[1].replace("?", "/").replace("#", "/").split("/", 1)[0]:
        raise EgressRefused("leave user name and password out of the URL")
    if "#" in url:
        raise EgressRefused("leave out the part after #; it is never sent")
    if origin.host.endswith("."):
        raise EgressRefused("leave out the dot at the end of the host name")
    if parse_address(origin.host) is None:
        if not _HOST.match(origin.host):
            raise EgressRefused("the host name holds characters that host names do not have")
        if _ENDS_IN_NUMBER.match(origin.host):
            raise EgressRefused("write the address in its usual form, like 203.0.113.7, or use a host name")
    return parsed


async def check_url(url: str, policy: EgressPolicy, *, lookup: Lookup = system_lookup) -> None:
    """Return if the URL may be requested as things stand; raise EgressRefused with a sentence otherwise.

    What its host means may change until the request is made: that is judged again, at the socket.
    """
    parsed = parse_url(url)
    origin = Origin.of(parsed)
    if origin in policy.allow_origins:
        return
    if parse_address(origin.host) is not None:
        addresses = [origin.host]
    else:
        try:
            addresses = await lookup(origin.host, origin.port)
        except OSError as exc:  # TimeoutError is an OSError
            raise EgressRefused(f"the host {origin.host} cannot be found; check its spelling or try later") from exc
    policy.judge(origin, addresses)
