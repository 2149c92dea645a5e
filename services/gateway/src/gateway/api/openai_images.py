"""``POST /v1/images/generations`` and ``/edits``: wait for the pictures like OpenAI's, unless asked not to."""

import asyncio

import pybase64
from starlette.requests import Request
from starlette.responses import Response

from common import clock
from common.ids import new_job_id, task_id
from common.messaging import CannotReach
from common.objects import NotFound as NoSuchObject
from common.objects import ObjectError, ObjectStore
from gateway.api.counter import Counter
from gateway.api.desk import Desk, response_format
from gateway.api.views import Views
from gateway.domain.job import Output
from gateway.errors import Gone, InvalidRequest

_PAUSES_S = (0.1, 0.2, 0.5, 1, 2, 3, 4, 4, 4)


class OpenAIImages:
    """OpenAI's image calls."""

    def __init__(self, desk: Desk, counter: Counter, views: Views, store: ObjectStore) -> None:
        self._desk = desk
        self._counter = counter
        self._views = views
        self._store = store

    async def generate(self, request: Request) -> Response:
        """Pictures now; with ``Prefer: respond-async`` a task at once."""
        return await self._make(request, edit=False)

    async def edit(self, request: Request) -> Response:
        """The same from pictures that came with the request: in a form, as the SDK sends them, or in JSON."""
        return await self._make(request, edit=True)

    async def _make(self, request: Request, *, edit: bool) -> Response:
        caller = await self._desk.caller(request)
        job_id = new_job_id()
        form = await self._desk.read(request, caller, job_id, forms=edit)
        wanted = response_format(form.fields)
        waits = not _prefers_async(request)
        async with self._desk.order(
            request, caller, form, job_id=job_id, kind="image", dialect="openai", waits=waits
        ) as order:
            if edit and not order.model.modes[order.request.mode].inputs:
                message = "An edit needs a picture: send image, or use /v1/images/generations."
                raise InvalidRequest(message, code="missing_required_parameter", param="image")
            if not waits:
                job = await self._counter.accepted(request, order)
                headers = {"preference-applied": "respond-async", "location": f"/v1/tasks/{task_id(job.job_id)}"}
                return self._counter.handover(request, job, self._views.task(job), 202, headers=headers)
            job = await self._counter.finished(request, order)
        if job.has_expired(clock.now()):
            raise Gone
        data = [{"url": url} for url in self._views.urls(job)]
        if wanted == "b64_json":
            data = list(await asyncio.gather(*map(self._inline, job.outputs, data)))
        return self._counter.handover(request, job, self._views.images(job, data))

    async def _inline(self, output: Output, link: dict[str, str]) -> dict[str, str]:
        """The output in base64. It is paid, so if the bucket stays away the link must do: a 5xx would be a lie."""
        for pause_s in _PAUSES_S:
            try:
                body = await self._store.get(self._store.outputs, output.key)
            except NoSuchObject:
                raise Gone from None
            except (CannotReach, ObjectError):
                await asyncio.sleep(pause_s)
            else:
                return {"b64_json": pybase64.b64encode_as_string(body)}
        return link


def _prefers_async(request: Request) -> bool:
    wishes = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return any(wish.partition(";")[0].strip() == "respond-async" for wish in wishes)
