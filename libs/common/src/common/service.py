"""One way to be a service: health and metrics over HTTP, a drained stop, a frozen garbage collector."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import telemetry
from common.settings import ServiceSettings

Check = Callable[[], bool | Awaitable[bool]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_READY_TIMEOUT_S = 2.0


def build_app(title: str, *, lifespan: Lifespan, readiness: Mapping[str, Check], **options: Any) -> FastAPI:
    """An application with ``/healthz`` (the process lives), ``/readyz`` (it can do its work) and ``/metrics``."""
    app = FastAPI(title=title, lifespan=lifespan, **{"openapi_url": None, **options})

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        states = {name: await _holds(check) for name, check in readiness.items()}
        return JSONResponse(states, status_code=200 if all(states.values()) else 503)

    async def metrics(_: Request) -> Response:
        return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4")

    app.add_route("/healthz", healthz, include_in_schema=False)
    app.add_route("/readyz", readyz, include_in_schema=False)
    app.add_route("/metrics", metrics, include_in_schema=False)
    return app


def serve(app: FastAPI, settings: ServiceSettings, *, fd: int | None = None) -> None:
    """Serve until SIGTERM; then finish what has begun, within ``drain_s``.

    ``fd`` is a listening socket that a supervisor holds open across restarts, so that connections wait in its
    backlog instead of being refused.
    """
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            access_log=False,
            log_config=None,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.drain_s),
            backlog=4096,
            server_header=False,
            lifespan="on",
        )
    )
    sockets = [socket.socket(fileno=fd)] if fd is not None else None
    server.run(sockets=sockets)
    telemetry.stop()


def setup_telemetry(service: str, settings: ServiceSettings) -> None:
    """Logs, traces and metrics as the settings say."""
    telemetry.setup(
        service,
        level=settings.log_level,
        ratio=settings.trace_ratio,
        trace_file=settings.trace_file,
        otlp_endpoint=settings.otlp_endpoint,
    )


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # What lives now lives for good: never look at it again, and look at the young ones less often, for the
        # collector is what makes Python's slowest percent slow.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)


async def _holds(check: Check) -> bool:
    try:
        result = check()
        if not isinstance(result, bool):
            result = await asyncio.wait_for(result, timeout=_READY_TIMEOUT_S)
    except Exception:  # noqa: BLE001 - a check that fails in any way is a check that does not hold
        return False
    return result
