"""A receiver of webhooks: takes whatever is posted anywhere, remembers it, answers as told."""

import asyncio
import time
from collections import deque
from typing import Any

import pybase64
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting, UnknownScenario
from simulators.faults import Reset, Silence, broken_off, dripping, flood
from simulators.journal import Journal

SCENARIOS = {
    "ok": "200",
    "slow": "200, after slow_ms more",
    "status": "the status the dial `status` names",
    "410": "410 Gone",
    "429": "429",
    "429_retry_after": "429 with Retry-After: retry_after_s",
    "500": "500",
    "503": "503",
    "redirect": "302 to the dial `location`",
    "hang": "never answers",
    "drip": "200 and 20 kB at drip_bytes_per_s",
    "huge": "200 and oversized_bytes",
    "reset": "closes the connection with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
}
KEPT_DELIVERIES = 5_000
KEPT_BODY_BYTES = 65_536
KEPT_PATHS = 200


class Receiver:
    """Deliveries, newest last; each path may have dials of its own."""

    def __init__(self, dials: Dials, journal: Journal) -> None:
        self.dials, self.journal = dials, journal
        self.by_path: dict[str, Dials] = {}
        self.kept: deque[dict[str, Any]] = deque(maxlen=KEPT_DELIVERIES)
        self.number = 0

    async def take(self, request: Request) -> Response:
        """Take one delivery."""
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if size <= KEPT_BODY_BYTES:
                pieces.append(piece)
        body = b"".join(pieces)
        path = request.url.path
        dials = self.by_path.get(path, self.dials)
        scenario = dials.draw("deliver")
        call = self.journal.arrived("deliver", scenario, ids={"path": path})
        call.accepted = True
        self.number += 1
        delivery: dict[str, Any] = {
            "number": self.number,
            "time": time.time(),
            "monotonic": call.monotonic,
            "method": request.method,
            "path": path,
            "query": request.url.query,
            "headers": dict(request.headers),
            "bytes": size,
            "body": body.decode(errors="replace"),
            "body_base64": pybase64.b64encode(body).decode(),
            "scenario": scenario,
            "status": None,
        }
        self.kept.append(delivery)
        if delay_s := dials.delay_s(scenario):
            await asyncio.sleep(delay_s)
        response = self._answer(scenario, dials.now)
        if not isinstance(response, Silence | Reset):
            delivery["status"] = response.status_code
            call.answer(response.status_code)
        return response

    def _answer(self, scenario: str, setting: Setting) -> Response:
        if (fault := broken_off(scenario)) is not None:
            return fault
        match scenario:
            case "status":
                return Response(b"", setting.status)
            case "410" | "429" | "500" | "503":
                return Response(b"", int(scenario))
            case "429_retry_after":
                return Response(b"", 429, {"retry-after": f"{setting.retry_after_s:g}"})
            case "redirect":
                return Response(b"", 302, {"location": setting.location})
            case "drip":
                return dripping(b"." * 20_000, setting.drip_bytes_per_s, "text/plain")
            case "huge":
                return flood(b"ok", setting.oversized_bytes, "text/plain", filler=b".")
        return as_json({"received": True})

    async def deliveries(self, request: Request) -> Response:
        """What came in, narrowed by `path`, `after` a number, the last `limit`; and how much in all."""
        query = request.query_params
        try:
            after, limit = int(query.get("after", 0)), int(query.get("limit", KEPT_DELIVERIES))
        except ValueError:
            return as_json({"detail": "after and limit are whole numbers"}, 400)
        path = query.get("path")
        found = [d for d in self.kept if d["number"] > after and path in (None, d["path"])]
        return as_json({"total": self.number, "deliveries": found[-max(1, limit) :]})

    def place(self, setting: Setting) -> bool:
        """Give a path dials of its own; tells whether the setting was for a path."""
        if setting.path is None:
            return False
        if setting.path not in self.by_path and len(self.by_path) >= KEPT_PATHS:
            self.by_path.pop(next(iter(self.by_path)))
        dials = Dials(SCENARIOS, ("deliver",))
        dials.turn(setting.model_dump(exclude_unset=True))
        self.by_path[setting.path] = dials
        return True

    def forget(self) -> None:
        """Forget deliveries and the paths' dials."""
        self.kept.clear()
        self.by_path.clear()
        self.number = 0


class PathDials(Dials):
    """Dials that pass a setting with a `path` on to that path, and leave the others as they are."""

    receiver: Receiver

    def turn(self, wish: Any) -> Setting:
        """Put the dials, or one path's dials, into a new position."""
        if not wish.get("path"):
            return super().turn(wish)
        asked = Setting.model_validate(wish)
        self.known(asked.scenario)
        if asked.scenario == "refuse":
            raise UnknownScenario("one path cannot refuse connections; the whole receiver can")
        self.receiver.place(asked)
        return asked


def build(start: Setting | None = None) -> Simulator:
    """The receiver."""
    dials, journal = PathDials(SCENARIOS, ("deliver",), start), Journal()
    receiver = dials.receiver = Receiver(dials, journal)
    routes = [
        Route("/__deliveries", receiver.deliveries),
        Route("/{path:path}", receiver.take, methods=["POST", "PUT", "PATCH", "DELETE"]),
    ]
    return Simulator("receiver", routes, dials, journal, receiver.forget)
