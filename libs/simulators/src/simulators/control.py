"""What every stand-in has in common: dials and journal over HTTP, and one ASGI application."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from simulators.dials import Dials, UnknownScenario
from simulators.journal import KEPT_CALLS, Journal

DIALS_LIMIT_BYTES = 65_536


def as_json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def _nothing() -> None:
    """Nothing to forget."""


async def _nothing_open() -> None:
    """Nothing to close."""


@dataclass(slots=True)
class Simulator:
    """One stand-in: its routes, its dials, its journal, and how to make it forget and close."""

    name: str
    routes: Sequence[BaseRoute]
    dials: Dials
    journal: Journal
    forget: Callable[[], None] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing_open
    neighbours: list[str] = field(default_factory=list)
    """Behind whose doors its dials can be turned as well, so that `refuse` can be undone."""
    settled: Callable[[], Awaitable[None]] = _nothing_open
    """Waits until its door stands as the dials say."""

    def controls(self) -> list[Route]:
        """Dials, journal, reset and health, as routes."""

        async def health(_: Request) -> Response:
            return as_json({"status": "ok", "simulator": self.name})

        async def read_dials(_: Request) -> Response:
            return as_json(
                {"simulator": self.name, "dials": self.dials.now.model_dump(), "scenarios": self.dials.scenarios}
            )

        async def turn_dials(request: Request) -> Response:
            try:
                wish = await small_json(request)
            except (TypeError, ValueError) as wrong:
                return as_json({"detail": str(wrong)}, 400)
            if wish.get("scenario") == "refuse" and not (wish.get("for_ms") or self.neighbours):
                return as_json({"detail": "refuse closes this door: say for how long with for_ms"}, 400)
            try:
                self.dials.turn(wish)
            except (ValidationError, UnknownScenario) as wrong:
                return as_json({"detail": str(wrong)}, 400)
            await self.settled()
            return await read_dials(request)

        async def calls(request: Request) -> Response:
            query = request.query_params
            try:
                after, limit = int(query.get("after", 0)), int(query.get("limit", KEPT_CALLS))
            except ValueError:
                return as_json({"detail": "after and limit are whole numbers"}, 400)
            found = self.journal.find(
                operation=query.get("operation"), prompt=query.get("prompt"), after=after, limit=max(1, limit)
            )
            return as_json({"simulator": self.name, "counts": self.journal.counts(), "calls": found})

        async def reset(_: Request) -> Response:
            self.dials.reset()
            self.journal.reset()
            self.forget()
            await self.settled()
            return as_json({"status": "reset"})

        return [
            Route("/healthz", health),
            Route("/__dials", read_dials, methods=["GET"]),
            Route("/__dials", turn_dials, methods=["PUT"]),
            Route("/__calls", calls),
            Route("/__reset", reset, methods=["POST"]),
        ]


async def small_json(request: Request) -> dict[str, Any]:
    """The body as an object; raises ValueError when it is none, or a large one."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > DIALS_LIMIT_BYTES:
            raise ValueError("the body is too long")
    parsed = orjson.loads(body)
    if not isinstance(parsed, dict):
        raise TypeError("the body is no JSON object")
    return parsed


def application(simulator: Simulator, beside: Iterable[Simulator] = ()) -> Router:
    """One stand-in as an ASGI application; the controls of those `beside` it answer under `/__on/<name>`."""
    neighbours = [Mount(f"/__on/{other.name}", Router(other.controls())) for other in beside]
    return Router([*simulator.controls(), *neighbours, *simulator.routes], redirect_slashes=False)
