"""Name to addresses, in threads of its own: a customer's slow name server must not hold up anybody else's work."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text. Raises OSError when there are none."""

TIMEOUT_S = 5.0
_THREADS = 64
_PER_DOMAIN = 4
"""Lookups at a time below one domain: whoever makes up host names fills his own places and no others."""


class Lookups:
    """Asks the system's resolver; one question at a time for each host, however many want the answer."""

    def __init__(self, resolve: Callable[[str, int], list[str]] | None = None) -> None:
        self._resolve = resolve or _getaddrinfo
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="egress-dns")
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, int], Future[list[str]]] = {}
        self._busy: Counter[str] = Counter()

    async def __call__(self, host: str, port: int) -> list[str]:
        """The host's addresses; OSError when there are none, or none in time."""
        # Shared, and not cancellable once begun: a thread ends when the resolver gives up, whoever still waits.
        asked = asyncio.wrap_future(self._ask(host, port))
        answers = await asyncio.wait_for(asyncio.shield(asked), timeout=TIMEOUT_S)
        return list(dict.fromkeys(answers))

    def _ask(self, host: str, port: int) -> "Future[list[str]]":
        domain = ".".join(host.split(".")[-2:])
        with self._lock:
            asked = self._asked.get((host, port))
            if asked is not None:
                return asked
            if self._busy[domain] >= _PER_DOMAIN:
                raise socket.gaierror(socket.EAI_AGAIN, "the name servers of this domain are slow")
            asked = self._threads.submit(self._resolve, host, port)
            self._asked[host, port] = asked
            self._busy[domain] += 1
        asked.add_done_callback(lambda _: self._answered(host, port, domain))
        return asked

    def _answered(self, host: str, port: int, domain: str) -> None:
        with self._lock:
            del self._asked[host, port]
            self._busy[domain] -= 1
            if not self._busy[domain]:
                del self._busy[domain]


def _getaddrinfo(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from exc
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


system_lookup: Lookup = Lookups()
