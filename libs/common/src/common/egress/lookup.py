"""Name to addresses, in threads of its own: a customer's slow name server must not hold up anybody else's work.

A thread that asks cannot be called off: one that asks a dead name server is gone for as long as the system's resolver
is patient, long after its caller gave up. So each host and each domain has its places; who finds them taken waits a
little and is refused, and all others find threads free.
"""

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text. Raises OSError when there are none."""

TIMEOUT_S = 5.0
"""For an answer, counted from when it was asked for."""
WAIT_S = 2.0
"""For a place, before that."""
PER_HOST = 2
PER_DOMAIN = 4
THREADS = 64
# Under a country's two letters these belong to everybody, and the domain of a customer has one label more.
_SHARED = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})


@dataclass(frozen=True, slots=True, eq=False)
class _Asking:
    """One question under way in a thread. The answer is never an exception: nobody may be left to retrieve it."""

    host: str
    began: float
    answer: "Future[list[str] | OSError]"

    @property
    def left_s(self) -> float:
        return self.began + TIMEOUT_S - time.monotonic()


class Lookups:
    """Looks names up with ``resolve``; callers who ask for the same host at the same time share an answer.

    Nothing is kept: who comes after an answer asks anew. Belongs to one event loop at a time.
    """

    def __init__(self, resolve: Callable[[str], list[str]]) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="egress-dns")
        self._asking: list[_Asking] = []

    async def __call__(self, host: str, _port: int) -> list[str]:
        """A ``Lookup``; the port has no part in the answer."""
        asking = await self._ask(host)
        try:
            async with asyncio.timeout(asking.left_s):
                # Shielded, for it is not this caller's alone.
                answer = await asyncio.shield(asyncio.wrap_future(asking.answer))
        except TimeoutError:
            raise TimeoutError(f"no name server answered for {host} within {TIMEOUT_S:g} s") from None
        if isinstance(answer, OSError):
            raise type(answer)(*answer.args)
        return answer

    async def _ask(self, host: str) -> _Asking:
        """The question that is under way for this host, or a new one once there is a place for it."""
        waits_until = time.monotonic() + WAIT_S
        while True:
            self._asking = [one for one in self._asking if not one.answer.done()]
            for one in self._asking:
                if one.host == host and one.left_s > 0:
                    return one
            ahead = self._ahead_of(host)
            if not ahead:
                # Never more than there are threads: it begins now.
                one = _Asking(host, time.monotonic(), self._threads.submit(self._answer, host))
                self._asking.append(one)
                return one
            left_s = waits_until - time.monotonic()
            if left_s <= 0:
                raise OSError(errno.EAGAIN, f"too many lookups for {host} and its neighbours are under way")
            await asyncio.wait(
                [asyncio.wrap_future(one.answer) for one in ahead],
                timeout=left_s,
                return_when=asyncio.FIRST_COMPLETED,
            )

    def _ahead_of(self, host: str) -> list[_Asking]:
        """Those of whom one has to end first; none when there is a place."""
        domain = _domain(host)
        of_host = [one for one in self._asking if one.host == host]
        of_domain = [one for one in self._asking if _domain(one.host) == domain]
        for places, taken in ((PER_HOST, of_host), (PER_DOMAIN, of_domain), (THREADS, self._asking)):
            if len(taken) >= places:
                return taken
        return []

    def _answer(self, host: str) -> list[str] | OSError:
        try:
            return list(dict.fromkeys(self._resolve(host)))
        except OSError as error:
            return error


def _domain(host: str) -> str:
    """What one customer is likely to have registered of a name: its last two labels, or three (``a.co.uk``)."""
    labels = host.lower().rstrip(".").split(".")
    shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED
    return ".".join(labels[-3:] if shared else labels[-2:])


def _getaddrinfo(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from exc
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


system_lookup = Lookups(_getaddrinfo)
"""Asks the system's resolver, which also reads every odd spelling of an address the way connect() would."""
