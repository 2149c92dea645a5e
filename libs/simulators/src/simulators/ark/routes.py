"""Ark's task endpoints: submit, poll, list, delete; and its callbacks. Its pictures are next door."""

import asyncio
import time

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.ark.door import door
from simulators.ark.pictures import IMAGES, Pictures
from simulators.ark.request import parse
from simulators.ark.scenarios import SCENARIOS, Refusal
from simulators.ark.task import Task
from simulators.control import Simulator, as_json
from simulators.courier import Courier
from simulators.dials import Dials, Setting
from simulators.exchange import Understood, document
from simulators.journal import Call, Journal
from simulators.links import Links
from simulators.making import taken, told
from simulators.media import Darkroom, file_route
from simulators.rendering import Tasks

TASKS = "/api/v3/contents/generations/tasks"


class VideoTasks:
    """The endpoints and the tasks behind them."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links = dials, journal, links
        self.tasks: Tasks[Task] = Tasks()
        self.courier = Courier(journal)
        self.exchange = door(dials, journal, api_key)

    async def submit(self, request: Request) -> Response:
        """Accept a task."""
        return await self.exchange("submit", request, self._understand, self._accept)

    async def _understand(self, request: Request) -> Understood[Task]:
        unreadable = Refusal(400, "InvalidParameter", "The request body is not valid JSON.")
        body = await document(request, unreadable)
        wanted, prompt = parse(body)
        return Understood(Task.of(self.dials.now, prompt, request, wanted=wanted), prompt, wanted.model, body)

    async def _accept(self, task: Task, call: Call, _: Request) -> Response:
        task.begin(call.scenario)
        if task.timeline.render_s > task.wanted.expires_after_s:
            task.timeline.never = True
        self.tasks.add(task.id, task)
        self.journal.accepted(call, task_id=task.id)
        if url := task.wanted.callback_url:
            self.courier.send(self._announce(task, url))
        return taken(call.scenario, as_json({"id": task.id}))

    async def _announce(self, task: Task, url: str) -> None:
        """Post the task on each change of its status, until it is final: unsigned, and as often as dialled.

        A forger says that it succeeded long before it did, and where his film is.
        """
        line = task.timeline
        await asyncio.sleep(max(0.0, line.queued_s - line.elapsed_s) + 0.001)
        told = None

        def headers() -> dict[str, str]:
            return {"content-type": "application/json"}

        while told not in {"succeeded", "failed", "cancelled", "expired"}:
            if self.tasks.get(task.id) is not task:
                return
            if task.status != told:
                told = task.status
                shown = task.shown(self.links)
                if self.dials.now.forge:
                    lie = {**shown, "status": "succeeded", "content": {"video_url": "http://forger.invalid/film.mp4"}}
                    await self.courier.post("forged", url, orjson.dumps(lie), headers, task_id=task.id)
                for _ in range(self.dials.now.duplicates):
                    await self.courier.post("callback", url, orjson.dumps(shown), headers, task_id=task.id)
            elif line.never:
                await asyncio.sleep(1)
            else:
                await asyncio.sleep(max(0.05, min(1.0, line.render_s - line.elapsed_s)))

    async def poll(self, request: Request) -> Response:
        """Tell of one task."""

        async def tell(task: Task, call: Call, _: Request) -> Response:
            call.ids["task_id"] = task.id
            return told(call.scenario, as_json(task.shown(self.links)))

        return await self.exchange("poll", request, self._known, tell)

    async def delete(self, request: Request) -> Response:
        """Cancel what is queued, forget what has ended; what runs cannot be stopped."""

        async def end(task: Task, call: Call, _: Request) -> Response:
            call.ids["task_id"] = task.id
            status = task.status
            if status in {"running", "cancelled"}:
                message = f"The task is {status} and cannot be deleted."
                raise Refusal(409, f"InvalidAction.{status.title()}TaskDeletion", message, "Conflict", param="id")
            if status == "queued":
                task.cancelled_at = time.time()
            else:
                self.tasks.drop(task.id)
            return as_json({})

        return await self.exchange("delete", request, self._known, end)

    async def list(self, request: Request) -> Response:
        """Tell of many tasks, newest first."""

        async def understand(request: Request) -> Understood[tuple[int, int]]:
            query = request.query_params
            try:
                page, size = int(query.get("page_num", 1)), int(query.get("page_size", 10))
            except ValueError:
                raise Refusal.invalid("page_num", "must be an integer") from None
            if not (1 <= page <= 500 and 1 <= size <= 500):
                raise Refusal.invalid("page_size", "must be from 1 to 500")
            return Understood((page, size))

        async def tell(place: tuple[int, int], _: Call, request: Request) -> Response:
            query = request.query_params
            ids = query.getlist("filter.task_ids")
            wishes = {"status": query.get("filter.status"), "model": query.get("filter.model")}
            tier = query.get("filter.service_tier")
            found = [
                task
                for task in self.tasks.newest_first()
                if (not ids or task.id in ids)
                and wishes["status"] in (None, task.status)
                and wishes["model"] in (None, task.wanted.model)
                and tier in (None, task.wanted.service_tier)
            ]
            start = (place[0] - 1) * place[1]
            items = [task.shown(self.links) for task in found[start : start + place[1]]]
            return as_json({"total": len(found), "items": items})

        return await self.exchange("list", request, understand, tell)

    async def _known(self, request: Request) -> Understood[Task]:
        task_id = request.path_params["task_id"]
        task = self.tasks.get(task_id)
        if task is None:
            raise Refusal.no_task(task_id)
        return Understood(task, model=task.wanted.model)

    def forget(self) -> None:
        """Forget all tasks and pending callbacks."""
        self.tasks.clear()
        self.courier.drop()


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any bearer key is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    videos = VideoTasks(dials, journal, links, api_key)
    routes = [
        Route(IMAGES, Pictures(dials, journal, links, api_key).generate, methods=["POST"]),
        Route(TASKS, videos.submit, methods=["POST"]),
        Route(TASKS + "/{task_id}", videos.poll, methods=["GET"]),
        Route(TASKS + "/{task_id}", videos.delete, methods=["DELETE"]),
        Route(TASKS, videos.list, methods=["GET"]),
        file_route(links, Darkroom(), dials, journal),
    ]
    return Simulator("ark", routes, dials, journal, videos.forget, videos.courier.close)
