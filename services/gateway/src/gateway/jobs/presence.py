"""Proof that this process lives: a session-level advisory lock on a connection of its own.

When the process dies, whatever way, its connection closes and the lock is free: then others may adopt the jobs it
was waiting for. No heartbeat, no clock.
"""

import asyncio
import secrets

import psycopg

from common import telemetry

_RECONNECT_S = 0.5
_FIRST_LOCK_S = 3.0
log = telemetry.logger(__name__)


class Presence:
    """The lock of one process incarnation; taken again whenever the database was away."""

    def __init__(self, url: str) -> None:
        self.incarnation = secrets.randbelow(2**62) + 1
        """This process, as rows name who waits for them. Never reused."""
        self._url = url
        self._held = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_held(self) -> bool:
        """We hold our own lock, so what we see of others' locks can be trusted."""
        return self._held.is_set()

    async def start(self) -> None:
        """Take the lock if the database answers soon; otherwise go on trying beside the work."""
        self._task = asyncio.create_task(self._hold(), name="presence")
        try:
            await asyncio.wait_for(self._held.wait(), timeout=_FIRST_LOCK_S)
        except TimeoutError:
            log.warning("presence_not_proved")

    async def stop(self) -> None:
        """Let the lock go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _hold(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=3, application_name="reapi-gateway-presence"
                ) as connection:
                    await connection.execute("select pg_advisory_lock(%s)", (self.incarnation,))
                    self._held.set()
                    # Nobody notifies us; this returns, by raising, when the connection is lost.
                    async for _ in connection.notifies():
                        pass
            except (psycopg.Error, OSError) as error:
                log.warning("presence_lost", reason=type(error).__name__)
            finally:
                self._held.clear()
            await asyncio.sleep(_RECONNECT_S)
