"""Where a request may go: judged from what is asked (scheme, host, port) and the addresses it would dial."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple

from yarl import URL

from common.egress.addresses import Network, allowed_address, parse_address, within
from common.egress.errors import EgressRefused

_DEFAULT_PORTS = {"https": 443, "http": 80}
# Names that mean something only inside a network. Addresses decide; this refuses also what a resolver of ours
# would answer with an address that happens to be public.
_INTERNAL_SUFFIXES = ("localhost", "local", "internal", "intranet", "lan", "corp", "svc", "home.arpa")


class Origin(NamedTuple):
    """Scheme, host and port, in one spelling."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: URL) -> "Origin":
        """The origin of an absolute http or https URL. Raises EgressRefused for anything else."""
        if url.scheme not in _DEFAULT_PORTS or not url.raw_host:
            raise EgressRefused("use an absolute https:// URL")
        return cls(url.scheme, url.raw_host.lower(), _DEFAULT_PORTS[url.scheme] if url.port is None else url.port)

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """An origin from settings, such as ``https://media.example:8443``. Raises ValueError when it is not one."""
        try:
            url = URL(text.strip())
            origin = cls.of(url)
        except (ValueError, EgressRefused) as exc:
            raise ValueError(f"{text!r} is not an origin; write scheme://host or scheme://host:port") from exc
        if url.user is not None or url.raw_path not in {"", "/"} or url.raw_query_string or url.raw_fragment:
            raise ValueError(f"{text!r} has more than scheme://host:port; an origin is only that")
        return origin


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be reached besides https on port 443 of the public internet.

    ``allow_cidrs``: networks where http and any port are fine. ``allow_origins``: origins that may be reached
    wherever they point; each holds for requests to exactly that scheme, host and port and for nothing else.
    """

    allow_cidrs: tuple[Network, ...] = ()
    allow_origins: frozenset[Origin] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, cidrs: str = "", origins: str | Iterable[str] = ()) -> "EgressPolicy":
        """From settings: comma-separated networks and origins. Raises ValueError that names the wrong part."""
        networks = tuple(ip_network(part.strip(), strict=False) for part in cidrs.split(",") if part.strip())
        parts = origins.split(",") if isinstance(origins, str) else origins
        return cls(networks, frozenset(Origin.parse(part) for part in parts if part.strip()))

    def judge(self, origin: Origin, addresses: Sequence[str]) -> Sequence[str]:
        """Those of ``addresses`` that a request to ``origin`` may dial. Raises EgressRefused if it may not be made.

        One bad address refuses them all: a name with a public and a private answer is an attack or a mistake. But
        ``localhost`` usually is ``::1`` as well as ``127.0.0.1``, and whoever allowed one of them meant the name to
        work: the other is left out, not dialled. No stranger decides what that one name means.
        """
        if origin in self.allow_origins:
            return addresses
        if not addresses:
            raise EgressRefused(f"the host {origin.host} has no address")
        inside = [text for text in addresses if self._allows(text)]
        if inside and all(text in inside or _is_other_localhost(origin, text) for text in addresses):
            return inside
        if origin.scheme != "https":
            raise EgressRefused("use https instead of http")
        if origin.port != _DEFAULT_PORTS["https"]:
            raise EgressRefused(f"use port 443 instead of {origin.port}")
        if _is_internal(origin.host):
            raise EgressRefused(f"{origin.host} is a name inside a private network; use a public host name")
        if not all(allowed_address(text, self.allow_cidrs) for text in addresses):
            raise EgressRefused(
                f"{origin.host} points to an address outside the public internet; use a host anyone can reach"
            )
        return addresses

    def _allows(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and within(address, self.allow_cidrs)


def _is_other_localhost(origin: Origin, text: str) -> bool:
    address = parse_address(text)
    return origin.host == "localhost" and address is not None and address.is_loopback


def _is_internal(host: str) -> bool:
    if parse_address(host) is not None:
        return False
    name = host.rstrip(".")
    return "." not in name or name.endswith(tuple("." + suffix for suffix in _INTERNAL_SUFFIXES))
