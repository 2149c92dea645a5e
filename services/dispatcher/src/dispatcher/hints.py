"""Hints on their way to other replicas, and to whoever shows how routes are."""

import asyncio

from common.contracts import Message, RouteChanged, RouteHealth
from common.messaging.bus import Bus
from dispatcher.routing.health import Health
from dispatcher.routing.news import News


class Hints:
    """Sends hints beside the work: nobody waits for one, and one that is lost costs a few calls that fail."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._sending: set[asyncio.Task[None]] = set()

    def route_changed(self, news: News) -> None:
        """A breaker opened or closed here."""
        hint = RouteChanged(
            replica=self._bus.replica,
            provider=news.provider,
            model=news.model,
            key_label=news.key,
            state=news.state.value,
            for_s=news.for_s,
        )
        self._send(hint)

    def route_health(self, provider: str, model: str, health: Health) -> None:
        """A route is better or worse than it was, or still not well."""
        self._send(RouteHealth(replica=self._bus.replica, provider=provider, model=model, state=health.value))

    def _send(self, hint: Message) -> None:
        task = asyncio.create_task(self._bus.hint(hint), name="hint")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
