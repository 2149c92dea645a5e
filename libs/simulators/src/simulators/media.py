"""The media host: real pictures and films behind expiring links, with ranges, and some assets that misbehave."""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators import pictures
from simulators.control import Simulator
from simulators.dials import Dials, Setting
from simulators.faults import Truncated, Unfinished, broken_off, dripping, flood
from simulators.films import Shape, Studio
from simulators.journal import Call, Journal
from simulators.links import Links, Output

SCENARIOS = {
    "ok": "the bytes, with type, length and ranges",
    "slow": "the bytes, dripping at drip_bytes_per_s",
    "truncated": "the full length is announced, half of it comes, the connection closes",
    "html": "200 and an HTML page in place of the bytes",
    "empty": "200 and no bytes",
    "oversized": "oversized_bytes are announced and sent",
    "never_finishes": "the full length is announced, one kilobyte comes, then silence",
    "403": "as if the link had expired",
    "404": "no such object",
    "429": "too many requests",
    "500": "server error",
    "503": "unavailable",
    "hang": "never answers",
    "reset": "closes the connection with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
}
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in to continue.</body></html>"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Darkroom:
    """Makes the bytes of any output; pictures at once, films and photographs in a thread."""

    def __init__(self) -> None:
        self.studio = Studio()

    async def develop(self, output: Output) -> bytes:
        """The bytes; raises ValueError for an output nobody could have been given a link to."""
        if output.kind == "mp4":
            return await self.studio.film(
                Shape(output.width, output.height, output.seconds, output.audio), output.seed
            )
        if output.kind == "png":
            return pictures.png(output.seed, output.width, output.height)
        return await asyncio.to_thread(pictures.encoded, output.seed, output.width, output.height, output.kind)


def _denied(code: str, status: int) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Response(body, status, media_type="application/xml")


def _ranged(request: Request, body: bytes, output: Output) -> Response:
    headers = {"accept-ranges": "bytes", "etag": f'"{output.seed.hex()}"', "cache-control": "private"}
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted is None or not (wanted[1] or wanted[2]):
        return Response(body, 200, headers, output.media_type)
    if wanted[1]:
        start, end = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
    else:
        start, end = max(0, len(body) - int(wanted[2])), len(body) - 1
    if start > end:
        return Response(None, 416, {"content-range": f"bytes */{len(body)}"})
    headers["content-range"] = f"bytes {start}-{end}/{len(body)}"
    return Response(body[start : end + 1], 206, headers, output.media_type)


def file_route(links: Links, darkroom: Darkroom, dials: Dials, journal: Journal) -> Route:
    """The one route of a media host; provider stand-ins started alone serve their own outputs by it."""

    async def answer(request: Request, call: Call, scenario: str) -> Response:
        path = request.url.path
        if (fault := broken_off(scenario)) is not None:
            return fault
        if scenario in {"404", "429", "500", "503"}:
            return _denied({"404": "NoSuchKey", "429": "SlowDown"}.get(scenario, "InternalError"), int(scenario))
        output = Output.at(path)
        if output is None:
            return _denied("NoSuchKey", 404)
        query = request.query_params
        wrong = links.judge(path, query.get("Expires", ""), query.get("Signature", ""))
        if wrong is not None or scenario == "403":
            return _denied(wrong or "RequestExpired", 403)
        variant = output.variant if scenario == "ok" else scenario
        if variant == "html":
            return Response(PAGE, media_type="text/html")
        if variant == "empty":
            return Response(b"", media_type=output.media_type)
        try:
            body = await darkroom.develop(output)
        except ValueError:
            return _denied("NoSuchKey", 404)
        call.accepted = True
        match variant:
            case "oversized":
                size = output.oversized_bytes or dials.now.oversized_bytes
                return flood(body[:size], size, output.media_type)
            case "truncated":
                return Truncated(body[: len(body) // 2], len(body), output.media_type)
            case "never_finishes":
                return Unfinished(body[:1024], len(body), output.media_type)
            case "slow":
                return dripping(body, dials.now.drip_bytes_per_s, output.media_type)
        return _ranged(request, body, output)

    async def fetch(request: Request) -> Response:
        scenario = dials.draw("fetch")
        call = journal.arrived("fetch", scenario, ids={"path": request.url.path})
        if delay_s := dials.delay_s():
            await asyncio.sleep(delay_s)
        response = await answer(request, call, scenario)
        call.answer(response.status_code)
        return response

    return Route("/files/{path:path}", fetch, methods=["GET", "HEAD"])


def build(links: Links | None = None, start: Setting | None = None, darkroom: Darkroom | None = None) -> Simulator:
    """A media host; links made with the same key, by whatever process, work here."""
    dials = Dials(SCENARIOS, ("fetch",), start)
    journal = Journal()
    route = file_route(links or Links(), darkroom or Darkroom(), dials, journal)
    return Simulator("media", [route], dials, journal)
