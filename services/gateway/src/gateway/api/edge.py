"""The outermost layer: every answer gets its request id, every failure its envelope, every request one log line.

Pure ASGI, so that a streamed or large answer passes through untouched. The log line carries the route, never the
path or the query: those may hold ids, signatures and whatever a customer put there.
"""

import time
import traceback
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import telemetry
from common.ids import new_id
from common.messaging import CannotReach
from gateway.api.reading.limits import check_head
from gateway.api.statuses import Family, envelope, headers_of, status_of
from gateway.errors import GatewayError, Unavailable
from gateway.jobs.waiters import ClientGone

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_CLIENT_GONE = 499
_OPENAI_VERSION = (b"openai-version", b"2020-10-01")

log = telemetry.logger("gateway.request")
requests = telemetry.counter("gateway_requests", "Requests by route and status.", ("method", "route", "status"))
latency = telemetry.histogram("gateway_request_seconds", "From first byte in to last byte out.", ("method", "route"))


class Note:
    """What is learned about one request on its way; ``headers`` go out with whatever is answered."""

    __slots__ = ("facts", "headers", "request_id", "route", "started")

    def __init__(self) -> None:
        self.request_id = f"req_{new_id().hex}"
        self.started = time.perf_counter()
        self.headers: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        self.route = "none"
        """The path's template; what nobody serves has none."""

    @staticmethod
    def of(scope: Scope) -> "Note":
        """The note of the request at hand."""
        note: Note = scope["reapi.note"]
        return note


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = Note()
        scope["reapi.note"] = note
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed_ms = round((time.perf_counter() - note.started) * 1000)
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", note.request_id.encode()),
                    (b"openai-processing-ms", str(elapsed_ms).encode()),
                    _OPENAI_VERSION,
                    *((name.encode(), value.encode("latin-1")) for name, value in note.headers.items()),
                ]
            await send(message)

        try:
            check_head(scope)
            await self._app(scope, receive, send_noted)
        except (ClientGone, ClientDisconnect):
            status = _CLIENT_GONE
        except GatewayError as error:
            await refuse(error, scope, send_noted, begun=bool(status))
        except CannotReach as error:
            note.facts["reason"] = str(error)
            await refuse(Unavailable(), scope, send_noted, begun=bool(status))
        except Exception as error:  # noqa: BLE001 - nothing may leave this layer but an envelope
            # The places only: an exception's text may quote a body.
            log.error("unexpected", error=type(error).__name__, at=_places(error), request_id=note.request_id)  # noqa: TRY400
            await refuse(GatewayError(), scope, send_noted, begun=bool(status))
        finally:
            self._tell(scope, note, status)

    def _tell(self, scope: Scope, note: Note, status: int) -> None:
        if scope["path"] in _QUIET:
            return
        method = scope["method"] if note.route != "none" else "ANY"
        elapsed_s = time.perf_counter() - note.started
        requests.inc(method, note.route, str(status))
        latency.observe(elapsed_s, method, note.route)
        log.info(
            "request",
            request_id=note.request_id,
            method=method,
            route=note.route,
            status=status,
            ms=round(elapsed_s * 1000, 1),
            **note.facts,
        )


def family_of(scope: Scope) -> Family:
    """The path decides the dialect."""
    return "native" if scope["path"].startswith("/api/") else "openai"


async def refuse(error: GatewayError, scope: Scope, send: Send, *, begun: bool) -> None:
    """Answer with the error's envelope, unless an answer has already begun."""
    note = Note.of(scope)
    note.facts["code"] = error.code
    if begun:
        return
    status = status_of(error, family_of(scope))
    body = orjson.dumps(envelope(error, status, note.request_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode("latin-1")) for name, value in headers_of(error, status).items()),
    ]
    await send({"type": "http.response.start", "status": status.http, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
