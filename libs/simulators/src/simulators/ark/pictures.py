"""`POST /images/generations`: answers with the pictures, one item for each, some of which may be errors."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pybase64
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from simulators import pictures
from simulators.ark.door import door
from simulators.ark.picture_request import WantedPictures, parse
from simulators.ark.scenarios import Refusal, picture_error
from simulators.control import as_json
from simulators.dials import Dials
from simulators.exchange import Understood, document, half
from simulators.faults import Reset, Silence, Unfinished, flood
from simulators.journal import Call, Journal
from simulators.links import Links, Output, seed_of
from simulators.making import VARIANTS

IMAGES = "/api/v3/images/generations"


class Pictures:
    """The endpoint; it keeps nothing."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links = dials, journal, links
        self.exchange = door(dials, journal, api_key)

    async def generate(self, request: Request) -> Response:
        """One call: judged, journalled, drawn."""
        return await self.exchange("submit", request, self._understand, self._draw)

    async def _understand(self, request: Request) -> Understood[tuple[WantedPictures, str]]:
        unreadable = Refusal(400, "InvalidParameter", "The request body is not valid JSON.")
        body = await document(request, unreadable)
        wanted, prompt = parse(body)
        return Understood((wanted, prompt), prompt, wanted.model, body)

    async def _draw(self, understood: tuple[WantedPictures, str], call: Call, request: Request) -> Response:
        wanted, prompt = understood
        scenario, setting = call.scenario, self.dials.now
        self.journal.accepted(call)
        if scenario == "hang_after":
            return Silence()
        if scenario == "reset_after":
            return Reset()
        await asyncio.sleep(setting.render_ms / 1000)
        origin = f"http://{request.headers.get('host', 'localhost')}"
        data = [await self._item(wanted, prompt, index, scenario, origin) for index in range(wanted.count)]
        if scenario == "empty_output":
            data = []
        if wanted.stream:
            return StreamingResponse(_events(wanted, data), media_type="text/event-stream")
        body = {
            "model": wanted.model,
            "created": int(time.time()),
            "data": data,
            "usage": wanted.usage(sum("error" not in one for one in data)),
        }
        answer = as_json(body)
        if scenario == "bad_json":
            return half(answer)
        if scenario == "never_finishes":
            return Unfinished(bytes(answer.body[:32]), len(answer.body), "application/json")
        if scenario == "oversized_output" and wanted.inline:
            head = bytes(answer.body).partition(b'"b64_json":"')
            return flood(b"".join(head[:2]), setting.oversized_bytes, "application/json", filler=b"A")
        return answer

    async def _item(
        self, wanted: WantedPictures, prompt: str, index: int, scenario: str, origin: str
    ) -> dict[str, Any]:
        """One picture, or why there is none: the others come all the same."""
        if error := picture_error(scenario, index):
            return {"error": error}
        # Colours and pattern follow the prompt, the rest makes each picture's bytes its own.
        seed = seed_of(prompt, index)[:2] + uuid.uuid4().bytes[2:]
        if wanted.inline:
            drawn = await asyncio.to_thread(_bytes, seed, wanted)
            return {"b64_json": pybase64.b64encode_as_string(drawn), "size": wanted.size}
        output = Output(
            seed, wanted.width, wanted.height, wanted.kind,
            variant=VARIANTS.get(scenario, "ok"), oversized_bytes=self.dials.now.oversized_bytes,
        )  # fmt: skip
        expires_at = time.time() + (-1 if scenario == "expired_url" else self.dials.now.url_ttl_s)
        return {"url": self.links.to(output, expires_at, origin), "size": wanted.size}


def _bytes(seed: bytes, wanted: WantedPictures) -> bytes:
    if wanted.kind == "png":
        return pictures.png(seed, wanted.width, wanted.height)
    return pictures.encoded(seed, wanted.width, wanted.height, wanted.kind)


async def _events(wanted: WantedPictures, data: list[dict[str, Any]]) -> AsyncIterator[bytes]:
    """Each item as it comes, then the sum; OpenAI's way of ending a stream."""
    stamp = {"model": wanted.model, "created": int(time.time())}
    for index, item in enumerate(data):
        kind = "image_generation.partial_failed" if "error" in item else "image_generation.partial_succeeded"
        yield _event({"type": kind, **stamp, "image_index": index, **item})
    drawn = sum("error" not in one for one in data)
    yield _event({"type": "image_generation.completed", **stamp, "usage": wanted.usage(drawn)})
    yield b"data: [DONE]\n\n"


def _event(event: dict[str, Any]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"
