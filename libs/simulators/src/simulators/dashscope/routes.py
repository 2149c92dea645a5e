"""Model Studio's tasks over HTTP."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.dashscope.request import MODELS, Wanted, parse
from simulators.dashscope.scenarios import ENDS, SCENARIOS, Flat, early, identify
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document
from simulators.inputs import Wrong
from simulators.journal import Call, Journal
from simulators.links import Links
from simulators.making import Making, taken, told
from simulators.media import Darkroom, file_route
from simulators.rendering import Tasks

_THEIR_TIME = timezone(timedelta(hours=8))
_SUBMIT = "/api/v1/services/aigc/video-generation/video-synthesis"


@dataclass(slots=True, kw_only=True)
class Task(Making):
    """One task."""

    wanted: Wanted
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    cancelled: bool = False

    @property
    def status(self) -> str:
        """PENDING, RUNNING, SUSPENDED, SUCCEEDED, FAILED, CANCELED or UNKNOWN."""
        if self.cancelled:
            return "CANCELED"
        if self.scenario in ("forgotten", "suspended"):
            return {"forgotten": "UNKNOWN", "suspended": "SUSPENDED"}[self.scenario]
        if self.timeline.is_done:
            return "FAILED" if self.scenario in ENDS else "SUCCEEDED"
        return "PENDING" if self.timeline.is_queued else "RUNNING"

    def shown(self, links: Links) -> dict[str, Any]:
        """Output and, once it succeeded, usage. Times are those of Beijing and do not say so."""
        status, line = self.status, self.timeline
        output: dict[str, Any] = {"task_id": self.id, "task_status": status}
        if status == "UNKNOWN":
            return {"output": output}
        output["submit_time"] = _time(line.began_at)
        if status not in ("PENDING", "CANCELED"):
            output["scheduled_time"] = _time(line.running_at)
        if status == "FAILED":
            output["code"], output["message"] = ENDS[self.scenario]
        if status in ("SUCCEEDED", "FAILED"):
            output["end_time"] = _time(line.done_at)
        if status != "SUCCEEDED":
            return {"output": output}
        output["orig_prompt"] = ""
        if self.scenario != "empty_output":
            output["video_url"] = self.url(links, self.output(self.wanted.film))
        film = self.wanted.film
        usage = {
            "duration": film.seconds + self.wanted.input_seconds,
            "input_video_duration": self.wanted.input_seconds,
            "output_video_duration": film.seconds,
            "video_count": 1,
            "SR": int(self.wanted.resolution.removesuffix("P")),
            "fps": 24,
            "ratio": self.wanted.ratio,
        }
        return {"output": output, "usage": usage}


def _time(unix_s: float) -> str:
    text = datetime.fromtimestamp(unix_s, UTC).astimezone(_THEIR_TIME).isoformat(" ", "milliseconds")
    return text.partition("+")[0]


class Videos:
    """The endpoints and the tasks behind them."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links, self.api_key = dials, journal, links, api_key
        self.tasks: Tasks[Task] = Tasks()
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s),
            identify=identify,
        )  # fmt: skip

    async def submit(self, request: Request) -> Response:
        """Begin a task."""
        return await self.exchange("submit", request, self._understand, self._begin)

    async def _understand(self, request: Request) -> Understood[Task]:
        if request.headers.get("x-dashscope-async") != "enable":
            raise Flat(403, "AccessDenied", "current user api does not support synchronous calls.")
        body = await document(request, Flat(400, "InvalidParameter", "The body is no JSON object."))
        if str(body.get("model")) not in MODELS:
            raise Flat(404, "ModelNotFound", "Model can not be found.")
        try:
            wanted = parse(body)
        except Wrong as wrong:
            code = "InvalidURL" if wrong.kind == "string_type" and wrong.field == "media" else "InvalidParameter"
            raise Flat(400, code, f"{wrong.field}: {wrong.message}") from None
        prompt = str(body["input"].get("prompt") or "")
        task = Task.of(self.dials.now, prompt, request, wanted=wanted)
        return Understood(task, prompt, body["model"], body)

    async def _begin(self, task: Task, call: Call, _: Request) -> Response:
        task.begin(call.scenario)
        self.tasks.add(task.id, task)
        self.journal.accepted(call, task_id=task.id)
        output = {"task_id": task.id, "task_status": "PENDING"}
        return taken(call.scenario, as_json({"output": output, "request_id": call.ids["request_id"]}))

    async def fetch(self, request: Request) -> Response:
        """The task's state; of tasks nobody knows, UNKNOWN."""

        async def tell(task: Task | str, call: Call, _: Request) -> Response:
            if isinstance(task, str):
                shown: dict[str, Any] = {"output": {"task_id": task, "task_status": "UNKNOWN"}}
            else:
                call.ids["task_id"] = task.id
                shown = task.shown(self.links)
            return told(call.scenario, as_json({"request_id": call.ids["request_id"], **shown}))

        return await self.exchange("poll", request, self._named, tell)

    async def cancel(self, request: Request) -> Response:
        """Only what is PENDING can be cancelled."""

        async def end(task: Task | str, call: Call, _: Request) -> Response:
            if isinstance(task, str) or task.status != "PENDING":
                raise Flat(400, "UnsupportedOperation", "Failed to cancel the task, please confirm if it is PENDING.")
            call.ids["task_id"] = task.id
            task.cancelled = True
            return as_json({"request_id": call.ids["request_id"]})

        return await self.exchange("cancel", request, self._named, end)

    async def _named(self, request: Request) -> Understood[Task | str]:
        name = request.path_params["id"]
        return Understood(self.tasks.get(name) or name)

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not key or (self.api_key is not None and key != self.api_key):
            raise Flat(401, "InvalidApiKey", "Invalid API-key provided.")


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any key is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    videos = Videos(dials, journal, links, api_key)
    routes = [
        file_route(links, Darkroom(), dials, journal),
        Route(_SUBMIT, videos.submit, methods=["POST"]),
        Route("/api/v1/tasks/{id}", videos.fetch, methods=["GET"]),
        Route("/api/v1/tasks/{id}/cancel", videos.cancel, methods=["POST"]),
    ]
    return Simulator("dashscope", routes, dials, journal, videos.tasks.clear)
