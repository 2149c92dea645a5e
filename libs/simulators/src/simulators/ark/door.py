"""How Ark meets any call: a bearer key, its error envelope with the request's id in the message."""

from typing import Any

from starlette.requests import Request

from simulators.ark.scenarios import early
from simulators.dials import Dials
from simulators.exchange import Exchange
from simulators.journal import Journal


def door(dials: Dials, journal: Journal, api_key: str | None) -> Exchange:
    """The exchange of all of Ark's endpoints; any bearer key is right unless one is named."""

    def check(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key or (api_key is not None and key != api_key):
            refusal = early("auth", 0)
            assert refusal is not None
            raise refusal

    return Exchange(
        dials, journal, check, lambda scenario: early(scenario, dials.now.retry_after_s),
        request_id_header="X-Request-Id", identify=_identified,
    )  # fmt: skip


def _identified(body: Any, request_id: str) -> Any:
    error = body["error"] if isinstance(body, dict) and "error" in body else None
    return {"error": {**error, "message": f"{error['message']} Request id: {request_id}"}} if error else body
