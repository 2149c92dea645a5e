"""fal's queue over HTTP."""

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.courier import Courier
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Refused, Understood, document
from simulators.fal.job import Job
from simulators.fal.models import APPS, ENDPOINTS, Run
from simulators.fal.scenarios import SCENARIOS, early, model_error, platform
from simulators.fal.webhooks import Signer
from simulators.inputs import Wrong
from simulators.journal import Call, Journal
from simulators.links import Links
from simulators.making import taken, told
from simulators.media import Darkroom, file_route
from simulators.rendering import Tasks

# How often fal tries a failing run again by itself, unless told not to.
OWN_RETRIES = 10


class Queue:
    """The queue's endpoints and the jobs behind them."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, darkroom: Darkroom, api_key: str | None) -> None:
        self.dials, self.journal, self.links, self.darkroom, self.api_key = dials, journal, links, darkroom, api_key
        self.jobs: Tasks[Job] = Tasks()
        self.courier = Courier(journal)
        self.signer = Signer()
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s),
            request_id_header="x-fal-request-id",
        )  # fmt: skip

    async def submit(self, request: Request) -> Response:
        """Queue a request; what is wrong with its input shows only in the result."""
        return await self.exchange("submit", request, self._understand, self._accept)

    async def _understand(self, request: Request) -> Understood[tuple[Job, str | None]]:
        endpoint = request.path_params["endpoint"].strip("/")
        if endpoint not in ENDPOINTS:
            raise platform(404, f"Application '{endpoint[:100]}' not found")
        body = await document(request, platform(400, "Invalid JSON body"))
        prompt = body["prompt"] if isinstance(body.get("prompt"), str) else ""
        run: Run | None = None
        refused = None
        try:
            run = ENDPOINTS[endpoint](body)
        except Wrong as wrong:
            refused = [model_error(["body", wrong.field], wrong.message, wrong.kind)]
        waiting = sum(job.status == "IN_QUEUE" for job in self.jobs.newest_first()[:200])
        longest = request.query_params.get("fal_max_queue_length", "")
        if longest.isdigit() and waiting > int(longest):
            raise platform(429, "The queue is full", "queue_full")
        setting = self.dials.now
        timeout = request.headers.get("x-fal-request-timeout")
        job = Job.of(
            setting,
            prompt,
            request,
            app="/".join(endpoint.split("/")[:2]),
            run=run,
            refused=refused,
            position=waiting + 1 if setting.queued_s else 0,
            start_timeout_s=float(timeout) if timeout and timeout.replace(".", "", 1).isdigit() else None,
        )
        return Understood((job, request.query_params.get("fal_webhook")), prompt, endpoint, body)

    async def _accept(self, understood: tuple[Job, str | None], call: Call, request: Request) -> Response:
        job, webhook = understood
        retries = call.scenario == "accepted_then_failed" and request.headers.get("x-fal-no-retry") != "1"
        job.begin(call.scenario, more_s=OWN_RETRIES * max(job.timeline.render_s, 1.0) if retries else 0)
        self.jobs.add(job.id, job)
        self.journal.accepted(call, fal_request_id=job.id)
        if webhook:
            self.courier.send(self._announce(job, webhook))
        queued = {"status": "IN_QUEUE", "request_id": job.id, **job.urls(), "queue_position": job.position}
        return taken(call.scenario, as_json(queued))

    async def _announce(self, job: Job, url: str) -> None:
        while job.status != "COMPLETED":
            if self.jobs.get(job.id) is not job:
                return
            line = job.timeline
            await asyncio.sleep(1 if line.never else max(0.02, min(1.0, line.render_s - line.elapsed_s)))
        body: dict[str, Any] = {"request_id": job.id, "gateway_request_id": job.id}
        if (failure := job.failure) is not None:
            body |= {"status": "ERROR", "payload": failure[1], "error": f"Invalid status code: {failure[0]}"}
        else:
            body |= {"status": "OK", "payload": await job.result(self.links, self.darkroom)}
        raw = orjson.dumps(body)
        setting = self.dials.now
        if setting.forge:
            lie, forger = orjson.dumps({**body, "status": "ERROR", "payload": None}), Signer("somebody else's key")
            await self.courier.post("forged", url, lie, lambda: forger.headers(job.id, lie), fal_request_id=job.id)
        for _ in range(setting.duplicates):
            await self.courier.post(
                "webhook", url, raw, lambda: self.signer.headers(job.id, raw), fal_request_id=job.id
            )

    async def status(self, request: Request) -> Response:
        """202 until it is COMPLETED, then 200."""

        async def tell(job: Job, call: Call, request: Request) -> Response:
            call.ids["fal_request_id"] = job.id
            shown = job.shown(logs=request.query_params.get("logs") in {"1", "true"})
            return told(call.scenario, as_json(shown, 200 if shown["status"] == "COMPLETED" else 202))

        return await self.exchange("poll", request, self._known, tell)

    async def result(self, request: Request) -> Response:
        """The model's output, or its error with its status."""

        async def tell(job: Job, call: Call, _: Request) -> Response:
            call.ids["fal_request_id"] = job.id
            if job.status != "COMPLETED":
                raise platform(400, "Request is still in progress")
            if (failure := job.failure) is not None:
                headers = {"x-fal-error-type": failure[2]}
                if failure[0] == 504:
                    headers["X-Fal-Request-Timeout-Type"] = "user"
                raise Refused(failure[0], failure[1], headers)
            assert job.run is not None
            answer = as_json(await job.result(self.links, self.darkroom))
            answer.headers["x-fal-billable-units"] = f"{job.run.units:g}"
            return told(call.scenario, answer)

        return await self.exchange("result", request, self._known, tell)

    async def cancel(self, request: Request) -> Response:
        """Take it out of the queue, or signal the runner, which obeys."""

        async def end(job: Job, call: Call, _: Request) -> Response:
            call.ids["fal_request_id"] = job.id
            if job.status == "COMPLETED":
                raise Refused(400, {"status": "ALREADY_COMPLETED"})
            job.cancelled = True
            return as_json({"status": "CANCELLATION_REQUESTED"}, 202)

        return await self.exchange("cancel", request, self._known, end)

    async def _known(self, request: Request) -> Understood[Job]:
        params = request.path_params
        job = self.jobs.get(params["request_id"])
        app = f"{params['owner']}/{params['app']}"
        if job is None or job.app != app:
            is_cancel = request.url.path.endswith("/cancel")
            raise Refused(404, {"status": "NOT_FOUND"} if is_cancel else {"detail": "Request not found"})
        return Understood(job, model=job.app)

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Key" or not key or (self.api_key is not None and key != self.api_key):
            raise platform(401, "Cannot access application. Authentication is required to access this application.")

    def forget(self) -> None:
        """Forget all jobs and pending webhooks."""
        self.jobs.clear()
        self.courier.drop()


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any key is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal, links, darkroom = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links(), Darkroom()
    queue = Queue(dials, journal, links, darkroom, api_key)

    async def jwks(_: Request) -> Response:
        return as_json(queue.signer.jwks)

    # Two segments only: a caller who puts the whole endpoint into the path gets the 405 or 404 the real one gives.
    one = "/{owner}/{app}/requests/{request_id}"
    routes = [
        Route("/.well-known/jwks.json", jwks),
        file_route(links, darkroom, dials, journal),
        Route(one + "/status", queue.status, methods=["GET"]),
        Route(one + "/cancel", queue.cancel, methods=["PUT"]),
        Route(one, queue.result, methods=["GET"]),
        Route("/{endpoint:path}", queue.submit, methods=["POST"]),
    ]
    assert all(app.count("/") == 1 for app in APPS)
    return Simulator("fal", routes, dials, journal, queue.forget, queue.courier.close)
