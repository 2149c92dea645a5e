"""Stripe over HTTP: keys, forms, idempotency, expansion, faults; each call answered by its operation."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting
from simulators.faults import Reset, Silence
from simulators.journal import Journal
from simulators.stripe import (  # noqa: F401 - each registers its operations
    catalog,
    checkout,
    clocks,
    customers,
    disputes,
    invoices,
    payments,
    portal,
    refunds,
    subscriptions,
    webhooks,
)
from simulators.stripe.errors import StripeError, invalid
from simulators.stripe.forms import parse
from simulators.stripe.pages import Pages
from simulators.stripe.routing import TABLE, Object, World, find
from simulators.stripe.store import Store
from simulators.stripe.webhooks import Deliveries, add_endpoint

SCENARIOS = {
    "ok": "answers as Stripe does",
    "slow": "after slow_ms more",
    "500": "500 api_error, nothing done",
    "429": "429 rate_limit_error, nothing done",
    "timeout_after_success": "does what was asked and never answers",
    "reset_after_success": "does what was asked and closes the connection with RST",
    "outage": "the API is well; webhooks are withheld until the dial is turned back",
    "lost": "the API is well; webhooks are given up, as after three days of retries",
    "refuse": "connections are refused (for_ms says how long)",
}
RETRIES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_BODY_BYTES = 1 << 20
_TICK_S = 1.0
_HIDDEN = frozenset({
    "simulated", "given_up", "of_subscription", "tax_percent", "pending_lines",
    "payment_intent_data", "subscription_data", "setup_intent_data",
})  # fmt: skip
# Where an id stands for an object that `expand[]` shows in full.
_KINDS = {
    "customer": "customer", "payment_intent": "payment_intent", "setup_intent": "setup_intent",
    "latest_charge": "charge", "charge": "charge", "invoice": "invoice", "latest_invoice": "invoice",
    "subscription": "subscription", "payment_method": "payment_method", "product": "product",
    "default_payment_method": "payment_method", "balance_transaction": "balance_transaction",
}  # fmt: skip


class Api:
    """Answers `/v1/...`."""

    def __init__(self, world: World, journal: Journal, api_key: str | None) -> None:
        self._world = world
        self._journal = journal
        self._api_key = api_key
        self._running: set[str] = set()

    async def answer(self, request: Request) -> Response:
        """One call."""
        identity, path = f"req_{secrets.token_urlsafe(10)}", request.url.path
        known = find(request.method, path)
        name = known[0] if known else f"{request.method} {path}"
        scenario = self._world.dials.draw(name if known else "")
        call = self._journal.arrived(name, scenario, ids={"request_id": identity})
        if delay_s := self._world.dials.delay_s(scenario):
            await asyncio.sleep(delay_s)
        try:
            body = await _body(request)
            response = self._met(request, body, identity, scenario)
        except StripeError as error:
            response = as_json(error.body, error.status)
        if scenario == "timeout_after_success":
            return Silence()
        if scenario == "reset_after_success":
            return Reset()
        response.headers["request-id"] = identity
        response.headers["stripe-version"] = request.headers.get("stripe-version", "2026-10-28.endive")
        call.answer(response.status_code)
        return response

    def _met(self, request: Request, body: bytes, identity: str, scenario: str) -> Response:
        self._check_key(request)
        if scenario == "500":
            raise StripeError(500, "api_error", "An error occurred on our side.")
        if scenario == "429":
            raise StripeError(429, "rate_limit_error", "Too many requests.", code="rate_limit")
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is not None and len(key) > 255:
            raise invalid("Idempotency keys can be at most 255 characters.")
        asked = f"{request.method} {request.url.path} {body.decode(errors='replace')}"
        before = None if key is None else self._world.store.answer(key)
        if before is not None and key is not None:
            if before[0] != asked:
                raise StripeError(
                    400,
                    "idempotency_error",
                    f"Keys for idempotent requests can only be used with the same parameters they were first used "
                    f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                )
            headers = {"idempotent-replayed": "true", "original-request": identity, "idempotency-key": key}
            return Response(before[2], before[1], headers, "application/json")
        # What was done, its events and the answer last together or not at all: a repeat after a crash finds all.
        try:
            response = self._done(request, body, {"id": identity, "idempotency_key": key})
            if key is not None:
                self._world.store.keep_answer(key, asked, response.status_code, bytes(response.body))
                response.headers["idempotency-key"] = key
            return response
        finally:
            self._world.store.commit()
            self._world.during({"id": None, "idempotency_key": None})

    def _done(self, request: Request, body: bytes, cause: Object) -> Response:
        try:
            return as_json(self._act(request, body, cause))
        except StripeError as error:
            return as_json(_shown(error.body), error.status)

    def _act(self, request: Request, body: bytes, cause: Object) -> Any:
        known = find(request.method, request.url.path)
        if known is None:
            raise StripeError(
                404,
                "invalid_request_error",
                f"Unrecognized request URL ({request.method}: {request.url.path}). This simulator answers: "
                + ", ".join(sorted(name for _, _, name, _ in TABLE)),
            )
        _, operation, named = known
        text = request.url.query if request.method in ("GET", "DELETE") else body.decode(errors="replace")
        params = parse(text)
        expand = params.pop("expand", [])
        self._world.during(cause)
        answer = operation(self._world, params, **named)
        return _shown(_expanded(self._world, answer, expand if isinstance(expand, list) else [expand]))

    def _check_key(self, request: Request) -> None:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            import base64
            import binascii

            try:
                secret = base64.b64decode(secret).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                secret = ""
        if not secret:
            raise StripeError(
                401,
                "invalid_request_error",
                "You did not provide an API key. You need to provide your API key in the Authorization header.",
            )
        if not secret.startswith(("sk_test_", "rk_test_")) or self._api_key not in (None, secret):
            raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: {secret[:8]}********")


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_BYTES:
            raise invalid("The request is too large.")
    return body


def _expanded(world: World, answer: Object, wanted: list[str]) -> Object:
    """The answer with objects in place of ids, wherever `wanted` points."""
    if not wanted:
        return answer
    copy: Object = orjson.loads(orjson.dumps(answer))
    for path in wanted:
        _expand(world, copy, path.split("."), path)
    return copy


def _expand(world: World, into: Any, path: list[str], whole: str) -> None:
    if isinstance(into, list):
        for one in into:
            _expand(world, one, path, whole)
        return
    if not isinstance(into, dict):
        return
    name, rest = path[0], path[1:]
    if name == "line_items" and into.get("object") == "checkout.session":
        into[name] = {"object": "list", "data": into["lines"], "has_more": False}
        return
    if name not in into:
        raise invalid(f"This property cannot be expanded ({whole}).", "expand")
    value = into[name]
    if isinstance(value, str) and name in _KINDS:
        found = world.store.get(_KINDS[name], value)
        if found is not None:
            into[name] = value = orjson.loads(orjson.dumps(found))
    if rest:
        _expand(world, value, rest, whole)


def _shown(value: Any) -> Any:
    """Without what only the simulator needs to know."""
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, dict):
        session = value.get("object") == "checkout.session"
        return {
            name: _shown(one)
            for name, one in value.items()
            if name not in _HIDDEN and not (session and name in {"lines", "coupon"})
        }
    return value


def build(
    base_url: str = "",
    start: Setting | None = None,
    api_key: str | None = None,
    *,
    data: Path | None = None,
    webhook: tuple[str, str] | None = None,
    retries_s: tuple[float, ...] = RETRIES_S,
) -> Simulator:
    """The stand-in. `webhook` is the URL and the secret of a first endpoint that takes every event."""
    dials = Dials(SCENARIOS, tuple(name for method, _, name, _ in TABLE if method == "POST"), start)
    journal = Journal()
    world = World(Store(data), dials)
    world.base_url = base_url
    deliveries = Deliveries(world, journal, retries_s)
    world.listen = deliveries.send

    def begin() -> None:
        if webhook is not None and not any(True for _ in world.store.all("webhook_endpoint", url=webhook[0])):
            add_endpoint(world, webhook[0], ["*"], webhook[1])
            world.store.commit()

    def forget() -> None:
        deliveries.drop()
        world.store.clear()
        begin()

    async def close() -> None:
        ticking.stop()
        await deliveries.close()
        world.store.close()

    begin()
    ticking = Ticking(world, deliveries)
    api = Api(world, journal, api_key)

    async def answer(request: Request) -> Response:
        ticking.start()
        if not world.base_url:
            world.base_url = str(request.base_url).rstrip("/")
        return await api.answer(request)

    async def busy(_: Request) -> Response:
        return as_json({"deliveries": deliveries.busy})

    routes = [
        Route("/v1/{rest:path}", answer, methods=["GET", "POST", "DELETE"]),
        Route("/__busy", busy),
        *Pages(world).routes(),
    ]
    return Simulator("stripe", routes, dials, journal, forget, close)


class Ticking:
    """Lets real time bring what it brings to customers who live by no test clock."""

    def __init__(self, world: World, deliveries: Deliveries) -> None:
        self._world = world
        self._deliveries = deliveries
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin at the first call: before it there is nothing to wait for."""
        if self._task is None:
            self._deliveries.resume()
            self._task = asyncio.get_running_loop().create_task(self._tick())

    def stop(self) -> None:
        """Stand still."""
        if self._task is not None:
            self._task.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            world = self._world
            clocks.run_until(world, None, world.now())
            for session in list(world.store.all("checkout.session", status="open")):
                if session["expires_at"] <= world.now(world.clock_of(session["customer"])):
                    checkout.expire(world, session)
            world.store.commit()
