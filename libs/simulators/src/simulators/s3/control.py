"""The dials a test turns, on loopback only: the clock, the faults, the counts."""

import asyncio
import ipaddress
import json
import time
from collections import Counter
from typing import Any

from simulators.s3.body import drain, pieces
from simulators.s3.errors import S3Error
from simulators.s3.lifecycle import Enforced, enforce
from simulators.s3.shelf import Shelf
from simulators.s3.wire import Request, Response, Scope

SCENARIOS = ("ok", "503", "403", "hang", "slow")
HANG_LIMIT_S = 600.0
_DELAY_LIMIT_MS = 600_000
_BODY_LIMIT_BYTES = 64 * 1024


class DialError(ValueError):
    """A dial was set to something it does not have."""


def _json(body: object, status: int = 200) -> Response:
    return Response(status, [("content-type", "application/json")], json.dumps(body).encode())


def _number(fields: dict[str, Any], name: str, default: float, limit: float) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        raise DialError(f"{name} must be a number between {-limit} and {limit}")
    return value


class Control:
    """Holds the dials and answers under `/__`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._enforcing = asyncio.Lock()
        self.lifecycle_offset_s = 0.0
        self.signing_offset_s = 0.0
        self.scenario = "ok"
        self.delay_ms = 0.0
        self.times: int | None = None
        self.methods: frozenset[str] = frozenset()
        self.operations: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.bytes_in = 0
        self.bytes_out = 0

    def now_s(self) -> float:
        """The time by which signatures are judged."""
        return time.time() + self.signing_offset_s

    async def enforce(self) -> Enforced:
        """Run the lifecycle rules once, by the turned clock."""
        async with self._enforcing:
            return await enforce(self._shelf.store, self._shelf.uploads, time.time() + self.lifecycle_offset_s)

    async def interfere(self, request: Request) -> None:
        """Do to this request what the dials say; raises S3Error or ClientGone when it is not to be served."""
        if self.scenario == "ok" and not self.delay_ms:
            return
        if self.methods and request.method not in self.methods:
            return
        scenario, delay_ms = self.scenario, self.delay_ms
        if self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.scenario, self.delay_ms, self.times = "ok", 0.0, None
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        if scenario == "503":
            raise S3Error("SlowDown", "Please reduce your request rate.", (("retry-after", "1"),))
        if scenario == "403":
            raise S3Error("AccessDenied", "Access Denied")
        if scenario == "hang":
            async with asyncio.timeout(HANG_LIMIT_S):
                while True:
                    async for _ in pieces(request):
                        pass  # until the client goes away, which `pieces` raises

    async def answer(self, scope: Scope, request: Request) -> Response:
        """Serve `/__clock`, `/__dials` and `/__stats`; refused to anybody who is not on this machine."""
        client = scope.get("client")
        if client is not None and not ipaddress.ip_address(client[0]).is_loopback:
            return _json({"error": "only from loopback"}, 403)
        if request.method == "PUT":
            try:
                return _json(await self._turn(request))
            except (DialError, json.JSONDecodeError) as error:
                return _json({"error": str(error)}, 400)
        await drain(request)
        shown = {"/__clock": self._clock, "/__dials": self._dials, "/__stats": self._stats}.get(request.path)
        if request.method != "GET" or shown is None:
            return _json({"error": "GET or PUT /__clock, /__dials; GET /__stats"}, 404)
        return _json(shown())

    async def _turn(self, request: Request) -> dict[str, Any]:
        body = bytearray()
        async for piece in pieces(request):
            body += piece
            if len(body) > _BODY_LIMIT_BYTES:
                raise DialError("the body is too long")
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise DialError("a JSON object is wanted")
        if request.path == "/__clock":
            return await self._turn_clock(fields)
        if request.path == "/__dials":
            return self._turn_dials(fields)
        raise DialError("PUT /__clock or /__dials")

    async def _turn_clock(self, fields: dict[str, Any]) -> dict[str, Any]:
        century_s = 3_155_760_000
        self.lifecycle_offset_s = _number(fields, "offset_s", self.lifecycle_offset_s, century_s)
        self.signing_offset_s = _number(fields, "signing_offset_s", self.signing_offset_s, century_s)
        done = await self.enforce()
        return {**self._clock(), "expired": done.expired, "aborted": done.aborted}

    def _turn_dials(self, fields: dict[str, Any]) -> dict[str, Any]:
        scenario = str(fields.get("scenario", "ok"))
        if scenario not in SCENARIOS:
            raise DialError(f"scenario is one of {', '.join(SCENARIOS)}")
        times = fields.get("times")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise DialError("times is a positive number of requests, or null for all until changed")
        methods = fields.get("methods") or []
        if not isinstance(methods, list):
            raise DialError('methods is a list such as ["PUT"], empty for all')
        self.delay_ms = abs(_number(fields, "delay_ms", 1000 if scenario == "slow" else 0, _DELAY_LIMIT_MS))
        self.scenario, self.times, self.methods = scenario, times, frozenset(map(str, methods))
        return self._dials()

    def _clock(self) -> dict[str, Any]:
        return {"offset_s": self.lifecycle_offset_s, "signing_offset_s": self.signing_offset_s}

    def _dials(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "delay_ms": self.delay_ms,
            "times": self.times,
            "methods": sorted(self.methods),
        }

    def _stats(self) -> dict[str, Any]:
        return {
            "operations": dict(self.operations),
            "errors": dict(self.errors),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "objects": self._shelf.store.count(),
            "buckets": [name for name, _ in self._shelf.store.buckets()],
        }
