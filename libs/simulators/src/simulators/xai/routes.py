"""xAI's videos over HTTP."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document
from simulators.inputs import Wrong
from simulators.journal import Call, Journal
from simulators.links import Links, Output
from simulators.making import Making, taken, told
from simulators.media import Darkroom, file_route
from simulators.rendering import Tasks
from simulators.xai.request import MODELS, WAYS, parse
from simulators.xai.scenarios import SCENARIOS, early, flat, nested


@dataclass(slots=True, kw_only=True)
class Video(Making):
    """One request."""

    film: Output
    ticks: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def shown(self, links: Links) -> dict[str, Any]:
        """What is told of it once it ended."""
        ended: dict[str, Any] = {"model": MODELS[0], "progress": 100}
        match self.scenario:
            case "expired":
                return {**ended, "status": "expired"}
            case "accepted_then_failed":
                return {
                    **ended,
                    "status": "failed",
                    "error": {"code": "internal_error", "message": "generation failed"},
                }
            case "moderated":
                said = "The generated video was rejected by content moderation."
                return {**ended, "status": "failed", "error": {"code": "content_moderation", "message": said}}
        used = {"usage": {"cost_in_usd_ticks": self.ticks}}
        if self.scenario == "policy_output":
            return {
                **ended,
                **used,
                "status": "done",
                "video": {"url": "", "duration": 0, "respect_moderation": False},
            }
        if self.scenario == "empty_output":
            return {**ended, **used, "status": "done", "video": None}
        url = self.url(links, self.output(self.film))
        video = {"url": url, "duration": self.film.seconds, "respect_moderation": True}
        if self.scenario == "old_form":
            return {"model": MODELS[0], "video": video}
        return {**ended, **used, "status": "done", "video": video}


class Videos:
    """The endpoints and the requests behind them."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links, self.api_key = dials, journal, links, api_key
        self.kept: Tasks[Video] = Tasks()
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s)
        )

    async def submit(self, request: Request) -> Response:
        """Take a request."""
        return await self.exchange("submit", request, self._understand, self._take)

    async def _understand(self, request: Request) -> Understood[Video]:
        way = request.path_params["way"]
        if way not in WAYS:
            raise flat(404, "Some requested entity was not found", "no such path")
        body = await document(request, nested(400, "The body is no JSON object", "invalid_request_error", "bad_json"))
        try:
            film, ticks = parse(way, body)
        except Wrong as wrong:
            if wrong.field == "model" and isinstance(body.get("model"), str):
                raise flat(404, "Some requested entity was not found", "The model does not exist.") from None
            said = f"{wrong.field}: {wrong.message}"
            raise nested(422, said, "invalid_request_error", "invalid_parameter") from None
        prompt = str(body["prompt"])
        video = Video.of(self.dials.now, prompt, request, film=film, ticks=ticks)
        return Understood(video, prompt, f"{way}/{body['model']}", body)

    async def _take(self, video: Video, call: Call, _: Request) -> Response:
        video.begin(call.scenario)
        self.kept.add(video.id, video)
        self.journal.accepted(call, xai_request_id=video.id)
        return taken(call.scenario, as_json({"request_id": video.id}))

    async def retrieve(self, request: Request) -> Response:
        """202 with nothing in it until it ended, then 200."""

        async def tell(video: Video, call: Call, _: Request) -> Response:
            call.ids["xai_request_id"] = video.id
            if not video.timeline.is_done:
                return Response(None, 202)
            return told(call.scenario, as_json(video.shown(self.links)))

        return await self.exchange("poll", request, self._known, tell)

    async def _known(self, request: Request) -> Understood[Video]:
        video = self.kept.get(request.path_params["id"])
        if video is None:
            raise flat(404, "Some requested entity was not found", "The request does not exist.")
        return Understood(video, model=MODELS[0])

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not key or (self.api_key is not None and key != self.api_key):
            raise nested(401, "Incorrect API key provided.", "authentication_error", "invalid_api_key")


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any key is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    videos = Videos(dials, journal, links, api_key)
    routes = [
        file_route(links, Darkroom(), dials, journal),
        Route("/v1/videos/{id}", videos.retrieve, methods=["GET"]),
        Route("/v1/videos/{way}", videos.submit, methods=["POST"]),
    ]
    return Simulator("xai", routes, dials, journal, videos.kept.clear)
