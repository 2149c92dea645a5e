"""Notices that a submit hangs."""

import asyncio
import time
from collections.abc import Callable

from dispatcher.domain.standstill import NOTICEABLE_S, stood_still


class HangTimer:
    """Calls ``fire`` once when nothing was heard for ``after_s``; each part of the request that leaves starts anew.

    Ringing late it gives an answer that lay unread meanwhile the time to be read, once. With None it never rings.
    """

    def __init__(self, after_s: float | None, fire: Callable[[], None]) -> None:
        self._after_s = after_s
        self._fire = fire
        self._handle: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """A part has left."""
        self.stop()
        if self._after_s is not None:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_later(self._after_s, self._ring, time.monotonic(), self._after_s)

    def stop(self) -> None:
        """The answer is here."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, began: float, after_s: float) -> None:
        if stood_still(began, after_s):
            self._handle = asyncio.get_running_loop().call_later(NOTICEABLE_S, self._fire)
        else:
            self._fire()
