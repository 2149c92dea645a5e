"""Serves stand-ins on sockets: several in one process, doors that can be shut, connections that can be torn."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvloop
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from simulators.control import Simulator, application

BACKLOG = 2048
KEEP_ALIVE_S = 75


class Connection(HttpToolsProtocol):
    """An HTTP connection whose transport the application can reach, to tear it down."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where a handler finds it: `scope["state"]["transport"]`."""
        super().connection_made(transport)
        self.app_state = {"transport": transport}


class Door:
    """One listening socket and the application behind it; shut means that connects are refused.

    Shutting takes the socket itself out of the listening state, so it works for a socket that a supervisor
    holds open as well; opening makes the same socket listen again, on the same port.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self._socket = listening
        self._server: asyncio.Server | None = None
        self._state = ServerState()
        config = Config(
            app, http=Connection, ws="none", lifespan="off", access_log=False, log_config=None, proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S, interface="asgi3",
        )  # fmt: skip
        config.load()
        self._protocol = partial(Connection, config=config, server_state=self._state, app_state={})
        self._turn: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it is bound to."""
        port: int = self._socket.getsockname()[1]
        return port

    async def open(self) -> None:
        """Accept connections."""
        if self._server is None:
            # Accepted connections inherit it; without, head and body of an answer are 40 ms apart.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.listen(BACKLOG)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, sock=self._socket.dup(), backlog=BACKLOG)

    async def shut(self) -> None:
        """Refuse connections, and end those that are idle; answers under way are finished."""
        if self._server is not None:
            self._server.close()
            self._server = None
            # The server's copy must be gone from the event loop before the socket stops listening.
            await asyncio.sleep(0)
            address = self._socket.getsockname()
            self._socket.shutdown(socket.SHUT_RDWR)
            # A port that the system chose is let go by this; take it again, bound but not listening.
            with suppress(OSError):
                self._socket.bind(address)
            for connection in list(self._state.connections):
                connection.shutdown()

    def follow(self, scenario: str) -> None:
        """Shut while the scenario is `refuse`, open otherwise."""
        wanted = self.shut if scenario == "refuse" else self.open
        before = self._turn

        async def turn() -> None:
            if before is not None:
                await before
            await wanted()

        self._turn = asyncio.get_running_loop().create_task(turn())

    async def settled(self) -> None:
        """Wait until the door stands as it was last told."""
        if self._turn is not None:
            await self._turn

    async def close(self) -> None:
        """Stop serving and drop every connection, calls that hang included.

        An inherited socket goes on listening for whoever is started next.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            # Calls that hang end by themselves once their caller is gone; only what sleeps has to be cancelled.
            await asyncio.wait(self._state.tasks, timeout=0.05)
        for task in list(self._state.tasks):
            task.cancel()
        self._socket.close()


def bind(host: str, port: int, fd: int | None = None) -> socket.socket:
    """A socket to listen on: the inherited one, or a new one on host and port (0: any free port)."""
    if fd is not None:
        return socket.socket(fileno=fd)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


@dataclass(slots=True)
class Stand:
    """Stand-ins and their doors, opened and closed together."""

    simulators: Sequence[Simulator]
    doors: Sequence[Door]

    @classmethod
    def of(cls, placed: Sequence[tuple[Simulator, socket.socket]]) -> "Stand":
        """Put each stand-in behind its socket; with several, each one's dials answer behind every door."""
        simulators = [simulator for simulator, _ in placed]
        doors = []
        for simulator, listening in placed:
            beside = simulators if len(simulators) > 1 else []
            simulator.neighbours = [other.name for other in beside if other is not simulator]
            doors.append(Door(application(simulator, beside), listening))
        return cls(simulators, doors)

    async def open(self) -> None:
        """Open every door; from here on the dials may shut it."""
        for simulator, door in zip(self.simulators, self.doors, strict=True):
            await door.open()
            simulator.dials.changed, simulator.settled = door.follow, door.settled

    async def close(self) -> None:
        """Close every door, then whatever the stand-ins hold open."""
        for simulator, door in zip(self.simulators, self.doors, strict=True):
            simulator.dials.changed = lambda _: None
            await door.close()
            await simulator.close()


async def _until_told(stand: Stand) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told.set)
    await stand.open()
    # Everything loaded so far lives as long as the process: keep the collector from walking it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    await told.wait()
    # What is cut off now is cut off on purpose: no tracebacks for it.
    logging.getLogger("uvicorn.error").disabled = True
    await stand.close()


def run(placed: Sequence[tuple[Simulator, socket.socket]]) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def main() -> None:
        await _until_told(Stand.of(placed))

    loop_factory: Any = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
