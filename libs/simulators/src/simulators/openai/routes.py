"""`POST /v1/images/generations` with its scenarios."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import orjson
import pybase64
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from simulators import pictures
from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document
from simulators.faults import Silence, Unfinished, flood
from simulators.journal import Call, Journal
from simulators.links import Links, Output, seed_of
from simulators.media import PAGE, Darkroom, file_route
from simulators.openai.errors import Refusal, early, late
from simulators.openai.request import MODELS, Wanted, parse

SCENARIOS = {
    "ok": "pictures",
    "slow": "pictures, after slow_ms more",
    "429": "rate limit, no Retry-After",
    "429_retry_after": "rate limit with Retry-After: retry_after_s",
    "quota": "429 insufficient_quota",
    "auth": "401 invalid_api_key",
    "policy_input": "400 moderation_blocked at once",
    "policy_output": "400 moderation_blocked after render_ms, the work begun",
    "invalid": "400 invalid_value for size",
    "500": "server error at once",
    "503": "overloaded at once",
    "hang": "never answers; no work begun",
    "hang_after": "begins work, never answers",
    "reset": "closes the connection with RST; no work begun",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "begins work, 500 after render_ms",
    "never_finishes": "200 and the first bytes of an answer, then silence",
    "bad_json": "200 and half a JSON document",
    "truncated_output": "a picture that stops halfway",
    "expired_url": "a link in place of base64, already expired",
    "html_output": "base64 of an HTML page",
    "empty_output": "200 without pictures",
    "oversized_output": "base64 of oversized_bytes",
}


class Images:
    """The endpoint and what it needs."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links, self.api_key = dials, journal, links, api_key
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s),
            prefix="req_", headers={"openai-version": "2020-10-01", "openai-organization": "stand-in"},
        )  # fmt: skip

    async def generate(self, request: Request) -> Response:
        """One call: judged, journalled, drawn."""
        return await self.exchange("submit", request, self._understand, self._work)

    async def _understand(self, request: Request) -> Understood[Wanted]:
        body = await document(request, Refusal.unreadable())
        wanted = parse(body)
        return Understood(wanted, wanted.prompt, wanted.model, body)

    async def _work(self, wanted: Wanted, call: Call, request: Request) -> Response:
        scenario, setting = call.scenario, self.dials.now
        self.journal.accepted(call)
        if setting.render_ms:
            await asyncio.sleep(setting.render_ms / 1000)
        if failed := late(scenario):
            raise failed
        if scenario == "hang_after":
            return Silence()
        if wanted.stream:
            return StreamingResponse(_events(wanted), media_type="text/event-stream")
        if scenario in {"expired_url", "empty_output"}:
            return self._without_pictures(request, wanted, scenario)
        pictures_b64 = [await _base64(wanted, i) for i in range(wanted.n)]
        if scenario == "html_output":
            pictures_b64 = [pybase64.b64encode(PAGE)] * wanted.n
        elif scenario == "truncated_output":
            pictures_b64 = [b64[: len(b64) // 8 * 4] for b64 in pictures_b64]
        elif scenario == "oversized_output":
            head = _head() + b'{"b64_json":"' + pictures_b64[0][: len(pictures_b64[0]) // 4 * 4 - 4]
            return flood(head, setting.oversized_bytes, "application/json", filler=b"A")
        body = _answer(wanted, pictures_b64)
        if scenario == "bad_json":
            return Response(body[: len(body) // 2], media_type="application/json")
        if scenario == "never_finishes":
            return Unfinished(body[:512], len(body), "application/json")
        return Response(body, media_type="application/json")

    def _without_pictures(self, request: Request, wanted: Wanted, scenario: str) -> Response:
        data = []
        if scenario == "expired_url":
            output = Output(seed_of(wanted.prompt), wanted.width, wanted.height, wanted.output_format)
            data = [{"url": self.links.to(output, time.time() - 1, f"http://{request.headers['host']}")}] * wanted.n
        return as_json({"created": int(time.time()), "data": data, "usage": wanted.usage})

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key or (self.api_key is not None and key != self.api_key):
            raise Refusal.no_key()


async def _base64(wanted: Wanted, index: int) -> bytes:
    seed = seed_of(wanted.prompt, uuid.uuid4().hex, index)
    # Colours and pattern follow the prompt; the rest of the seed makes each picture's bytes its own.
    seed = seed_of(wanted.prompt, index)[:2] + seed[2:]
    if wanted.output_format == "png":
        return pictures.png_base64(seed, wanted.width, wanted.height, transparent=wanted.background == "transparent")
    quality = max(1, wanted.compression)
    return pybase64.b64encode(
        await asyncio.to_thread(pictures.encoded, seed, wanted.width, wanted.height, wanted.output_format, quality)
    )


def _head() -> bytes:
    return b'{"created":%d,"data":[' % int(time.time())


def _answer(wanted: Wanted, pictures_b64: list[bytes]) -> bytes:
    """The answer put together as bytes: base64 needs no escaping, and this is the hot path of benchmarks."""
    tail = orjson.dumps(
        {
            "background": wanted.background,
            "output_format": wanted.output_format,
            "quality": wanted.quality,
            "size": wanted.size,
            "usage": wanted.usage,
        }
    )
    data = b'"},{"b64_json":"'.join(pictures_b64)
    return b"".join((_head(), b'{"b64_json":"', data, b'"}],', tail[1:]))


async def _events(wanted: Wanted) -> AsyncIterator[bytes]:
    for index in range(wanted.partial_images + 1):
        last = index == wanted.partial_images
        event = {
            "type": "image_generation.completed" if last else "image_generation.partial_image",
            "b64_json": (await _base64(wanted, 0)).decode(),
            "created_at": int(time.time()),
            "size": wanted.size,
            "quality": wanted.quality,
            "background": wanted.background,
            "output_format": wanted.output_format,
            **({"usage": wanted.usage} if last else {"partial_image_index": index}),
        }
        yield b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any bearer key is right unless one is named."""
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    images = Images(dials, journal, links, api_key)

    async def models(_: Request) -> Response:
        listed = [
            {"id": name, "object": "model", "created": 1_776_700_000, "owned_by": "openai"} for name in sorted(MODELS)
        ]
        return as_json({"object": "list", "data": listed})

    routes = [
        Route("/v1/images/generations", images.generate, methods=["POST"]),
        Route("/v1/models", models),
        file_route(links, Darkroom(), dials, journal),
    ]
    return Simulator("openai", routes, dials, journal)
