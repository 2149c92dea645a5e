"""Vidu's tasks over HTTP."""

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.courier import Courier
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document
from simulators.inputs import Wrong
from simulators.journal import Call, Journal
from simulators.links import Links
from simulators.making import taken, told
from simulators.media import Darkroom, file_route
from simulators.rendering import Tasks
from simulators.vidu.request import WAYS, parse
from simulators.vidu.scenarios import SCENARIOS, early, refusal
from simulators.vidu.task import Task

_JSON_HEADERS = {"content-type": "application/json"}


class Videos:
    """The endpoints and the tasks behind them."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links, self.api_key = dials, journal, links, api_key
        self.tasks: Tasks[Task] = Tasks()
        self.courier = Courier(journal)
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s)
        )

    async def submit(self, request: Request) -> Response:
        """Create a task in one of the four ways."""
        return await self.exchange("submit", request, self._understand, self._create)

    async def _understand(self, request: Request) -> Understood[Task]:
        way = request.path_params["way"]
        if way not in WAYS:
            raise refusal(404, "NotFound", "no such path")
        body = await document(request, refusal(400, "FieldInvalid", "the body is no JSON object"))
        try:
            values, film = parse(way, body)
        except Wrong as wrong:
            reason = "ModelNotSupported" if wrong.field == "model" else "FieldInvalid"
            raise refusal(400, reason, f"field {wrong.field}: {wrong.message}") from None
        prompt = str(body.get("prompt") or "")
        task = Task.of(
            self.dials.now,
            prompt,
            request,
            values={name: value for name, value in values.items() if name not in ("prompt", "images")},
            film=film,
        )
        return Understood(task, prompt, f"{way}/{values['model']}", body)

    async def _create(self, task: Task, call: Call, _: Request) -> Response:
        task.begin(call.scenario)
        self.tasks.add(task.id, task)
        self.journal.accepted(call, task_id=task.id)
        if url := task.values["callback_url"]:
            self.courier.send(self._announce(task, url))
        return taken(call.scenario, as_json(task.created()))

    async def _announce(self, task: Task, url: str) -> None:
        """Tell when it is being made and when it ended; nothing is signed, so forged ones differ in what they say."""
        said = ""
        while said not in ("success", "failed"):
            if self.tasks.get(task.id) is not task:
                return
            if task.state not in {said, "queueing"}:
                said = task.state
                await self._post(task, url)
                continue
            line = task.timeline
            next_s = (line.queued_s if line.is_queued else line.render_s) - line.elapsed_s
            await asyncio.sleep(1 if line.never else max(0.02, min(1.0, next_s)))

    async def _post(self, task: Task, url: str) -> None:
        shown, setting = task.shown(self.links), self.dials.now
        if setting.forge:
            forged = orjson.dumps(
                shown | {"state": "success", "creations": [{"id": "0", "url": "http://evil.example/"}]}
            )
            await self.courier.post("forged", url, forged, lambda: _JSON_HEADERS, task_id=task.id)
        for _ in range(setting.duplicates):
            await self.courier.post("callback", url, orjson.dumps(shown), lambda: _JSON_HEADERS, task_id=task.id)

    async def creations(self, request: Request) -> Response:
        """The task's state, and what was made."""

        async def tell(task: Task, call: Call, _: Request) -> Response:
            call.ids["task_id"] = task.id
            return told(call.scenario, as_json(task.shown(self.links)))

        return await self.exchange("poll", request, self._known, tell)

    async def cancel(self, request: Request) -> Response:
        """Take it out of the queue and give its credits back; what is being made cannot be stopped."""

        async def end(task: Task, call: Call, _: Request) -> Response:
            call.ids["task_id"] = task.id
            if task.state != "queueing":
                raise refusal(400, "TaskNotCancellable", "only a task that waits can be cancelled")
            task.cancelled = True
            return as_json({})

        return await self.exchange("cancel", request, self._known, end)

    async def balance(self, request: Request) -> Response:
        """Credits left; always enough."""

        async def tell(_: None, __: Call, ___: Request) -> Response:
            return as_json({"remains": [{"type": "test", "credit_remain": 1_000_000, "concurrency_limit": 10}]})

        return await self.exchange("credits", request, _anything, tell)

    async def _known(self, request: Request) -> Understood[Task]:
        task = self.tasks.get(request.path_params["id"])
        if task is None:
            raise refusal(404, "TaskNotFound", "no such task")
        return Understood(task, model=task.values["model"])

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Token" or not key or (self.api_key is not None and key != self.api_key):
            raise refusal(401, "Unauthorized", "invalid token")

    def forget(self) -> None:
        """Forget all tasks and pending callbacks."""
        self.tasks.clear()
        self.courier.drop()


async def _anything(_: Request) -> Understood[None]:
    return Understood(None)


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any token is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    videos = Videos(dials, journal, links, api_key)
    routes = [
        file_route(links, Darkroom(), dials, journal),
        Route("/ent/v2/credits", videos.balance, methods=["GET"]),
        Route("/ent/v2/tasks/{id}/creations", videos.creations, methods=["GET"]),
        Route("/ent/v2/tasks/{id}/cancel", videos.cancel, methods=["POST"]),
        Route("/ent/v2/{way}", videos.submit, methods=["POST"]),
    ]
    return Simulator("vidu", routes, dials, journal, videos.forget, videos.courier.close)
