"""Carries callbacks: posts them, tries again a few times, writes each try down."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

from simulators.journal import Journal

if TYPE_CHECKING:
    from aiohttp import ClientSession

TRIES_S = (0.0, 1.0, 3.0)
TIMEOUT_S = 15
MOST_ERRANDS = 2_000


class Courier:
    """Posts in the background; opened at the first errand, so that stand-ins without callbacks cost nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._session: ClientSession | None = None
        self._errands: set[asyncio.Task[None]] = set()

    def send(self, errand: Coroutine[None, None, None]) -> None:
        """Run an errand; beyond 2,000 at once they are dropped, as a busy provider may do."""
        if len(self._errands) >= MOST_ERRANDS:
            errand.close()
            return
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def post(
        self, operation: str, url: str, body: bytes, headers: Callable[[], Mapping[str, str]], **ids: str
    ) -> bool:
        """Deliver one body; headers are made anew for each try, as signatures carry the time. True on a 2xx."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        for wait_s in TRIES_S:
            await asyncio.sleep(wait_s)
            call = self._journal.arrived(operation, ids=dict(ids))
            try:
                async with self._session.post(url, data=body, headers=headers(), allow_redirects=False) as answer:
                    call.answer(answer.status)
                    if 200 <= answer.status < 300:
                        return True
            except (aiohttp.ClientError, TimeoutError, ValueError):
                continue
        return False

    def drop(self) -> None:
        """Abandon what is under way."""
        for task in list(self._errands):
            task.cancel()

    async def close(self) -> None:
        """Abandon what is under way and close the session."""
        self.drop()
        if self._session is not None:
            await self._session.close()
            self._session = None
