"""Which addresses are the public internet. Everything else is refused, whatever it is called."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Python's flags alone are not enough. Asking for private, loopback, link-local, reserved, multicast and unspecified
# overlooks 100.64.0.0/10, 192.88.99.0/24, 2002::/16 and fec0::/10; is_global alone takes multicast, IPv4-compatible,
# NAT64, 6to4 and 5f00::/16 for public. Hence both, and this list.
_DENIED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and some clouds' internal services
        "168.63.129.16/32",  # a cloud's metadata and health endpoint on a public-looking address
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.175.48.0/24",
        "198.18.0.0/15",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/8",  # unspecified, loopback, IPv4-compatible and -translated
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo, ORCHID, benchmarking and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/9",  # link-local and the old site-local fec0::/10
        "ff00::/8",
    )
)
# Unicast of the public internet is given out of this block alone.
_PUBLIC_V6 = IPv6Network("2000::/3")


def parse_address(text: str) -> Address | None:
    """The address a socket would dial for this text, unwrapped if it is an IPv4 one in IPv6; None if not one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of the networks holds the address; families never mix."""
    return any(address.version == network.version and address in network for network in networks)


def is_public(address: Address) -> bool:
    """Globally routable unicast, by the registries and by our own list of what looks like it but is not."""
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address not in _PUBLIC_V6):
        return False
    return (
        address.is_global
        and not (
            address.is_private
            or address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_reserved
            or address.is_unspecified
        )
        and not within(address, _DENIED)
    )


def allowed_address(ip: str, allow_cidrs: Iterable[Network] = ()) -> bool:
    """Whether a connection to this address may be made: public, or in a network that was allowed on purpose."""
    address = parse_address(ip)
    return address is not None and (within(address, allow_cidrs) or is_public(address))
