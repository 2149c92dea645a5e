"""Free loopback ports, the same ones at every start as long as nobody else took them.

All are below the range the kernel draws outgoing ports from: a client that dials a dead server again and again
could otherwise be given the very port it dials, and would talk to itself.
"""

import random
import socket
from collections.abc import Mapping

LOWEST, HIGHEST = 12_000, 32_000
BACKLOG = 4096
_ATTEMPTS = 500


class Ports:
    """Sockets held by the supervisor as long as it lives, by name."""

    def __init__(self, remembered: Mapping[str, int]) -> None:
        self._remembered = dict(remembered)
        self._held: dict[str, socket.socket] = {}

    def listen(self, name: str) -> socket.socket:
        """A listening socket to hand to a server: connections wait in it while the server is restarted."""
        held = self._hold(name)
        held.listen(BACKLOG)
        held.set_inheritable(True)
        return held

    def reserve(self, name: str) -> int:
        """A port for a server that binds by itself.

        It stays bound here without listening: with SO_REUSEADDR on both sides the server may listen on it, and
        nobody else is given it while the server is away.
        """
        return port_of(self._hold(name))

    def chosen(self) -> dict[str, int]:
        """What to remember for the next start."""
        return {**self._remembered, **{name: port_of(held) for name, held in self._held.items()}}

    def close(self) -> None:
        """Give every port back."""
        for held in self._held.values():
            held.close()
        self._held.clear()

    def _hold(self, name: str) -> socket.socket:
        assert name not in self._held
        taken = set(self._remembered.values())
        held = _bound(self._remembered[name], remembered=True) if name in self._remembered else None
        for _ in range(_ATTEMPTS):
            if held is not None:
                break
            candidate = random.randrange(LOWEST, HIGHEST)  # noqa: S311 (a port number is no secret)
            held = None if candidate in taken else _bound(candidate, remembered=False)
        if held is None:
            raise OSError(f"no free port between {LOWEST} and {HIGHEST}")
        self._held[name] = held
        return held


def port_of(held: socket.socket) -> int:
    """The number of a bound socket's port."""
    port: int = held.getsockname()[1]
    return port


def _bound(port: int, *, remembered: bool) -> socket.socket | None:
    """A socket on this port, or None if it is taken.

    A port of our own last run may still have closing connections, so it is asked for with SO_REUSEADDR; a new one
    without, because that would also succeed on a port somebody else merely holds.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if remembered:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        held.close()
        return None
    return held
