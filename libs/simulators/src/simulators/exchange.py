"""One call, from its arrival to its answer, alike for every provider: key, journal, delay, faults, work."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from simulators.control import as_json
from simulators.dials import Dials
from simulators.faults import Reset, Silence, broken_off
from simulators.journal import Call, Journal, fingerprint, redacted

BODY_LIMIT_BYTES = 32 * 2**20

Value = TypeVar("Value")


class Refused(Exception):  # noqa: N818 - it reads as what happened
    """A call the provider answers with an error of its own."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Understood(Generic[Value]):
    """A call that parsed: its meaning, and what the journal may know of it (the body without its free texts)."""

    value: Value
    prompt: str = ""
    model: str | None = None
    body: Any = None


Understand = Callable[[Request], Awaitable[Understood[Value]]]
Act = Callable[[Value, Call, Request], Awaitable[Response]]


@dataclass(slots=True)
class Exchange:
    """How a provider meets calls.

    `early` says which scenarios are refused before work begins, and how; `check` judges the key. Both raise or
    return Refused. `identify` puts the request's id into an error body where the provider does so.
    """

    dials: Dials
    journal: Journal
    check: Callable[[Request], None]
    early: Callable[[str], Refused | None]
    request_id_header: str = "x-request-id"
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    identify: Callable[[Any, str], Any] = lambda body, _: body

    async def __call__(
        self, operation: str, request: Request, understand: Understand[Value], act: Act[Value]
    ) -> Response:
        """Meet one call."""
        request_id = self.prefix + uuid.uuid4().hex
        refused, known = None, None
        try:
            self.check(request)
            known = await understand(request)
        except Refused as wrong:
            refused = wrong
        scenario = self.dials.draw(operation, known.prompt) if known else self.dials.draw(operation)
        call = self.journal.arrived(operation, scenario, ids={"request_id": request_id})
        if known is not None:
            call.prompt, call.model = fingerprint(known.prompt) if known.prompt else None, known.model
            call.request = redacted(known.body, known.prompt)
        if delay_s := self.dials.delay_s(scenario):
            await asyncio.sleep(delay_s)
        response = broken_off(scenario)
        if response is None:
            try:
                if early := self.early(scenario):
                    raise early
                if refused is not None or known is None:
                    raise refused or Refused(400, {})
                response = await act(known.value, call, request)
            except Refused as wrong:
                response = as_json(self.identify(wrong.body, request_id), wrong.status, wrong.headers)
        if not isinstance(response, Silence | Reset):
            response.headers[self.request_id_header] = request_id
            for name, value in self.headers.items():
                response.headers[name] = value
            call.answer(response.status_code)
        return response


async def document(request: Request, unreadable: Refused) -> dict[str, Any]:
    """The body as a JSON object; raises `unreadable` when it is none."""
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > BODY_LIMIT_BYTES:
            raise Refused(413, {"detail": "Request entity too large"})
    try:
        parsed = orjson.loads(b"".join(pieces))
    except orjson.JSONDecodeError:
        raise unreadable from None
    if not isinstance(parsed, dict):
        raise unreadable
    return parsed


def half(response: Response) -> Response:
    """The same answer with half its body: valid HTTP, broken JSON."""
    body = bytes(response.body)
    return Response(body[: len(body) // 2], response.status_code, media_type="application/json")
