"""Name to addresses, in threads of its own: a customer's slow name server must not hold up anybody else's work."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text. Raises OSError when there are none."""

TIMEOUT_S = 5.0
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="egress-dns")


async def system_lookup(host: str, port: int) -> list[str]:
    """Ask the system's resolver, which also reads every odd spelling of an address the way connect() would."""
    loop = asyncio.get_running_loop()
    # Not cancellable once begun: the thread ends when the resolver gives up, hence threads of its own.
    answers = await asyncio.wait_for(loop.run_in_executor(_threads, _getaddrinfo, host, port), timeout=TIMEOUT_S)
    return list(dict.fromkeys(answers))


def _getaddrinfo(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from exc
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]
