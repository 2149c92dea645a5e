"""Webhook endpoints, and the delivery of every event to each: signed, retried, and as badly as the dials ask."""

import asyncio
import hashlib
import hmac
import random
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from simulators.journal import Journal
from simulators.stripe.errors import invalid
from simulators.stripe.forms import metadata, text
from simulators.stripe.routing import Object, World, operation
from simulators.stripe.world import matches, wanted

if TYPE_CHECKING:
    from aiohttp import ClientSession

_TIMEOUT_S = 10
_AT_ONCE = 20
OLD_S = 3_600


def sign(secret: str, body: bytes, moment: int) -> str:
    """The Stripe-Signature header: when, and HMAC-SHA-256 over `<when>.<body>`."""
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


def add_endpoint(world: World, url: str, events: list[str], secret: str | None = None) -> Object:
    """Somewhere to send events to."""
    return world.new(
        "webhook_endpoint",
        api_version=None,
        application=None,
        description=None,
        enabled_events=events,
        metadata={},
        secret=secret or f"whsec_{secrets.token_urlsafe(24)}",
        status="enabled",
        url=url,
    )


@operation("POST", "/v1/webhook_endpoints")
def create_endpoint(world: World, params: Object) -> Object:
    """A new one; its secret is shown in this answer."""
    events = params.get("enabled_events")
    if not isinstance(events, list) or not events:
        raise invalid("Missing required param: enabled_events.", "enabled_events", "parameter_missing")
    endpoint = add_endpoint(world, text(params, "url"), events)
    return world.save(endpoint, metadata=metadata(params), description=params.get("description"))


@operation("GET", "/v1/webhook_endpoints/{endpoint}")
def read_endpoint(world: World, _: Object, endpoint: str) -> Object:
    """One endpoint, without its secret."""
    return _shown(world.get("webhook_endpoint", endpoint))


@operation("GET", "/v1/webhook_endpoints")
def list_endpoints(world: World, params: Object) -> Object:
    """Endpoints, newest first."""
    page = world.page("webhook_endpoint", params, "/v1/webhook_endpoints")
    return {**page, "data": [_shown(one) for one in page["data"]]}


@operation("DELETE", "/v1/webhook_endpoints/{endpoint}")
def delete_endpoint(world: World, _: Object, endpoint: str) -> Object:
    """Send it nothing more."""
    world.save(world.get("webhook_endpoint", endpoint), status="deleted")
    return {"id": endpoint, "object": "webhook_endpoint", "deleted": True}


def _shown(endpoint: Object) -> Object:
    return {name: value for name, value in endpoint.items() if name != "secret"}


@operation("GET", "/v1/events/{event}")
def read_event(world: World, _: Object, event: str) -> Object:
    """One event."""
    return world.get("event", event)


@operation("GET", "/v1/events")
def list_events(world: World, params: Object) -> Object:
    """Events of the last thirty days, newest first; by type or types (`*` at the end matches any)."""
    types = params.get("types") or ([params["type"]] if "type" in params else None)
    page_of = {"starting_after", "ending_before", "limit", "created"}
    if types is None:
        return world.page("event", params, "/v1/events")
    everything = world.page("event", {**params, "limit": "100"}, "/v1/events")
    found: list[Object] = []
    limit = int(params.get("limit", "10"))
    while True:
        found += [one for one in everything["data"] if any(matches(one["type"], kind) for kind in types)]
        if len(found) > limit or not everything["has_more"] or "ending_before" in params:
            break
        after = everything["data"][-1]["id"]
        kept = {name: value for name, value in params.items() if name in page_of}
        everything = world.page("event", {**kept, "limit": "100", "starting_after": after}, "/v1/events")
    return {"object": "list", "url": "/v1/events", "has_more": len(found) > limit, "data": found[:limit]}


class Deliveries:
    """Sends events in the background. Dials: `duplicates`, `shuffle_ms`, `forge`; scenarios `outage` and `lost`."""

    def __init__(self, world: World, journal: Journal, retries_s: tuple[float, ...]) -> None:
        self._world = world
        self._journal = journal
        self._retries_s = retries_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._dice = random.Random(1)
        self._session: ClientSession | None = None

    def send(self, event: Object) -> None:
        """Tell every endpoint that wants to know."""
        shown = {name: value for name, value in event.items() if name != "given_up"}
        body = orjson.dumps(shown, option=orjson.OPT_INDENT_2)
        setting = self._world.dials.now
        for endpoint in self._world.store.all("webhook_endpoint", status="enabled"):
            if not wanted(event["type"], endpoint):
                continue
            for _ in range(setting.duplicates):
                wait_s = self._dice.uniform(0, setting.shuffle_ms / 1000)
                self._begin(self._deliver(endpoint, event, body, wait_s))
            if setting.forge:
                self._begin(self._forge(endpoint, event, body))

    def resume(self) -> None:
        """Go on with what another process had not delivered when it died."""
        for event in reversed(list(self._world.store.all("event"))):
            if event["pending_webhooks"] > 0 and not event.get("given_up"):
                self.send(event)

    @property
    def busy(self) -> int:
        """Deliveries that are still to be made."""
        return len(self._tasks)

    def drop(self) -> None:
        """Abandon what is under way."""
        for task in list(self._tasks):
            task.cancel()

    async def close(self) -> None:
        """Abandon what is under way and close the session."""
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, endpoint: Object, event: Object, body: bytes, wait_s: float) -> None:
        for pause_s in (wait_s, *self._retries_s):
            await asyncio.sleep(pause_s)
            # Three days of retries, in however short a time.
            while self._world.dials.now.scenario == "outage":  # noqa: ASYNC110 - dials are turned by many hands
                await asyncio.sleep(0.05)
            if self._world.dials.now.scenario == "lost":
                break
            if await self._post(endpoint, event, body, sign(endpoint["secret"], body, int(time.time()))):
                return
        self._world.save(event, given_up=True)
        self._world.store.commit()

    async def _forge(self, endpoint: Object, event: Object, body: bytes) -> None:
        """What an attacker sends: our event under a secret of his, an old one again, and one without a signature."""
        now = int(time.time())
        richer = body.replace(b'"amount": ', b'"amount": 9')
        for what, signature in (
            (richer, sign("whsec_of_somebody_else", richer, now)),
            (richer, sign(endpoint["secret"], body, now)),
            (body, sign(endpoint["secret"], body, now - OLD_S)),
            (body, ""),
        ):
            await self._post(endpoint, event, what, signature, operation="forgery")

    async def _post(
        self, endpoint: Object, event: Object, body: bytes, signature: str, *, operation: str = "webhook"
    ) -> bool:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "Stripe/1.0"}
        if signature:
            headers["stripe-signature"] = signature
        async with self._places:
            call = self._journal.arrived(operation, ids={"event": event["id"], "type": event["type"]})
            with suppress(aiohttp.ClientError, TimeoutError, ValueError):
                async with self._session.post(
                    endpoint["url"], data=body, headers=headers, allow_redirects=False
                ) as answer:
                    call.answer(answer.status)
                    if answer.status < 300 and operation == "webhook":
                        self._world.save(event, pending_webhooks=max(0, event["pending_webhooks"] - 1))
                        self._world.store.commit()
                    return bool(answer.status < 300)
        return False
