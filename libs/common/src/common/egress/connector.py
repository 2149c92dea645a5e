"""The guard where it cannot be walked around: at the socket, on the address that is about to be dialled.

How the pieces hold together:

- every request, each hop of a redirect included, takes its connection from ``GuardedConnector.connect``, which notes
  the request's origin for the code that dials on its behalf (a context variable, so that concurrent requests and the
  racing connection attempts of one request each see their own);
- names are resolved through the policy, all answers at once; nothing is cached;
- the socket factory sees the very address that ``connect()`` will get, literals included, and judges it again. So
  a name that changes its answer in between gains nothing;
- a pooled connection is reused only for the same scheme, host and port, which is exactly the origin it was judged
  for, under the same policy: a pool belongs to one connector, and a connector to one policy;
- proxies are refused: through one, the address dialled is not the address reached.
"""

import errno
import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType, Connection

from common.egress.addresses import parse_address
from common.egress.errors import EgressRefused
from common.egress.lookup import Lookup, system_lookup
from common.egress.policy import EgressPolicy, Origin

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.tracing import Trace


class _Dial:
    """One request's way to a connection; keeps the refusal, which libraries in between turn into other errors."""

    __slots__ = ("origin", "refused")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.refused: EgressRefused | None = None


_dial: ContextVar[_Dial | None] = ContextVar("egress_dial", default=None)


class GuardedConnector(aiohttp.TCPConnector):
    """A TCP connector that dials only what its policy allows; raises EgressRefused for the rest."""

    def __init__(self, policy: EgressPolicy, *, lookup: Lookup = system_lookup, **options: Any) -> None:
        super().__init__(
            resolver=_JudgingResolver(policy, lookup),
            use_dns_cache=False,
            socket_factory=self._open_socket,
            **options,
        )
        self._policy = policy

    async def connect(self, req: "ClientRequest", traces: list["Trace"], timeout: "ClientTimeout") -> Connection:
        """A connection for this request. Raises EgressRefused before a packet is sent where it is not allowed."""
        if req.proxy is not None:
            raise EgressRefused("guarded requests do not go through a proxy")
        dial = _Dial(Origin.of(req.url))
        token = _dial.set(dial)
        try:
            return await super().connect(req, traces, timeout)
        except aiohttp.InvalidURL as exc:
            raise EgressRefused("write the address in its usual form, or use a host name") from exc
        except aiohttp.ClientConnectorError as exc:
            if dial.refused is not None:
                raise dial.refused from exc
            raise
        finally:
            _dial.reset(token)

    def _open_socket(self, addr_info: AddrInfoType) -> socket.socket:
        family, kind, proto, _, sockaddr = addr_info
        dial = _dial.get()
        try:
            _judge_dialled(self._policy, dial, str(sockaddr[0]), int(sockaddr[1]))
        except EgressRefused as refused:
            if dial is not None:
                dial.refused = refused
            # An OSError is the one kind of failure that the racing connection code hands on.
            raise OSError(errno.EACCES, "refused by the egress guard") from refused
        return socket.socket(family=family, type=kind, proto=proto)


def _judge_dialled(policy: EgressPolicy, dial: _Dial | None, address: str, port: int) -> None:
    if dial is None:
        raise EgressRefused("a connection was asked for outside of a request")
    if port != dial.origin.port:
        raise EgressRefused("the port dialled is not the port asked for")
    if parse_address(address) is None:
        # A name here would be resolved once more, by whoever connects, and judged by nobody.
        raise EgressRefused("what would be dialled is not an address")
    policy.judge(dial.origin, [address])


class _JudgingResolver(AbstractResolver):
    """Resolves for the request at hand; hands out what the policy lets be dialled, which is mostly all or none."""

    def __init__(self, policy: EgressPolicy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host, port)
        dial = _dial.get()
        if dial is None:
            raise EgressRefused("a name was resolved outside of a request")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._policy.judge(dial.origin, addresses)
            if family in {socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET}
        ]

    async def close(self) -> None:
        """Nothing is held."""
