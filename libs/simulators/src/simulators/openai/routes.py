"""`POST /v1/images/generations` and `/edits` with their scenarios, at OpenAI's addresses and at Azure's."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pybase64
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from simulators import pictures
from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Refused, Understood, document
from simulators.faults import Silence, Unfinished, flood
from simulators.journal import Call, Journal
from simulators.links import Links, Output, seed_of
from simulators.media import PAGE, Darkroom, file_route
from simulators.openai.errors import Refusal, early, late, no_azure_key
from simulators.openai.request import MODELS, Wanted, parse, parse_edit

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


_LARGEST_FORM_BYTES = 256 * 2**20


class Images:
    """The endpoints and what they need. With ``azure`` a deployment stands for the model, and the key comes apart."""

    def __init__(
        self, dials: Dials, journal: Journal, links: Links, api_key: str | None, *, azure: bool = False
    ) -> None:
        self.dials, self.journal, self.links, self.api_key, self.azure = dials, journal, links, api_key, azure
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s, azure=azure),
            prefix="req_", headers={"openai-version": "2020-10-01", "openai-organization": "stand-in"},
        )  # fmt: skip

    async def generate(self, request: Request) -> Response:
        """One call: judged, journalled, drawn."""
        return await self.exchange("submit", request, self._understand, self._work)

    async def edit(self, request: Request) -> Response:
        """The same from pictures in a form."""
        return await self.exchange("submit", request, self._understand_form, self._work)

    async def _understand(self, request: Request) -> Understood[Wanted]:
        self._check_version(request)
        body = await document(request, Refusal.unreadable())
        wanted = parse(self._deployed(request, body))
        return Understood(wanted, wanted.prompt, wanted.model, body)

    async def _understand_form(self, request: Request) -> Understood[Wanted]:
        self._check_version(request)
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Refusal.invalid("image", "Images are sent as multipart/form-data.", code="unsupported_content_type")
        texts: dict[str, Any] = {}
        files: dict[str, list[bytes]] = {}
        async with request.form(max_files=17, max_part_size=_LARGEST_FORM_BYTES) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    texts[name] = value
                else:
                    files.setdefault(name.removesuffix("[]"), []).append(await value.read())
        if unknown := files.keys() - {"image", "mask"}:
            raise Refusal.invalid(min(unknown), f"Unknown parameter: '{min(unknown)}'.", code="unknown_parameter")
        given, masks = files.get("image", []), files.get("mask", [])
        for body in (*given, *masks):
            if pictures.kind_of(body) is None:
                raise Refusal.invalid(
                    "image", "Invalid image file: expected PNG, JPEG or WebP.", "invalid_image_file"
                )
        wanted = parse_edit(self._deployed(request, texts), len(given), len(masks))
        return Understood(wanted, wanted.prompt, wanted.model, {**texts, **files})

    def _deployed(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        """At Azure the deployment says which model; a ``model`` beside it is not looked at."""
        if not self.azure:
            return body
        name = request.path_params["deployment"]
        if name not in MODELS:
            said = "The API deployment for this resource does not exist."
            raise Refused(404, {"error": {"code": "DeploymentNotFound", "message": said}})
        return {**body, "model": name}

    def _check_version(self, request: Request) -> None:
        if self.azure and not request.query_params.get("api-version"):
            raise Refused(404, {"error": {"code": "404", "message": "Resource not found"}})

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
        if self.azure:
            key = request.headers.get("api-key", "")
            if not key or (self.api_key is not None and key != self.api_key):
                raise no_azure_key()
            return
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
        Route("/v1/images/edits", images.edit, methods=["POST"]),
        Route("/v1/models", models),
        file_route(links, Darkroom(), dials, journal),
    ]
    return Simulator("openai", routes, dials, journal)


def build_azure(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """A resource in Azure with a deployment of each model, named like it; any key is right unless one is named."""
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    images = Images(dials, journal, links, api_key, azure=True)
    base = "/openai/deployments/{deployment}/images"
    routes = [
        Route(f"{base}/generations", images.generate, methods=["POST"]),
        Route(f"{base}/edits", images.edit, methods=["POST"]),
        file_route(links, Darkroom(), dials, journal),
    ]
    return Simulator("azure", routes, dials, journal)
