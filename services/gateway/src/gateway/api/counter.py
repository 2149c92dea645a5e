"""Where orders are placed and answers are waited for; both families' POSTs end here."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.background import BackgroundTask
from starlette.requests import Request

from common.ids import task_id
from gateway.api.edge import Note
from gateway.domain.job import Job
from gateway.errors import JobEndedBadly, StillRunning
from gateway.jobs.marks import Marks
from gateway.jobs.orders import Order
from gateway.jobs.submission import Submission
from gateway.jobs.waiters import ClientGone, Watch
from gateway.settings import Settings


class Counter:
    """Places an order and waits, as long as its kind of answer waits."""

    def __init__(self, settings: Settings, submission: Submission, marks: Marks) -> None:
        self._settings = settings
        self._submission = submission
        self._marks = marks

    async def finished(self, request: Request, order: Order) -> Job:
        """The completed job of a synchronous request.

        Raises:
            JobEndedBadly: refused or refunded. StillRunning: cancelled at the limit. ClientGone: nobody listens.
        """
        async with self._placed(request, order) as watch:
            job = await watch.until(_is_final, self._left_s(request))
            if job is None:
                job = await self._time_out(order, watch)
        if job.state != "completed":
            raise ended_badly(job)
        return job

    async def accepted(self, request: Request, order: Order) -> Job:
        """The job of an asynchronous request: decided, or five seconds old.

        Raises JobEndedBadly when it was refused, for then no job was begun.
        """
        async with self._placed(request, order) as watch:
            job = await watch.until(_is_decided, self._settings.decision_wait_s)
            job = job or watch.job
        assert job is not None, "a placed order is told its row"
        if job.was_refused or job.state == "abandoned":
            raise ended_badly(job)
        return job

    async def still_listening(self, request: Request, job: Job) -> None:
        """Raise ClientGone if the client hung up while its answer was being made; a repeat may then adopt the job."""
        if await request.is_disconnected():
            self._marks.released(job.job_id)
            raise ClientGone

    def delivered(self, job: Job) -> BackgroundTask:
        """To be run when the job's answer has been sent completely."""

        async def mark() -> None:
            self._marks.delivered(job.job_id)

        return BackgroundTask(mark)

    @asynccontextmanager
    async def _placed(self, request: Request, order: Order) -> AsyncIterator[Watch]:
        async with self._submission.placed(order) as watch:
            Note.of(request.scope).facts["job_id"] = watch.job_id.hex
            listening = asyncio.create_task(_listen(request, watch))
            try:
                yield watch
            except (ClientGone, asyncio.CancelledError):
                self._marks.released(watch.job_id)
                raise
            finally:
                listening.cancel()

    async def _time_out(self, order: Order, watch: Watch) -> Job:
        """At the limit: have it cancelled, and see whether the verdict is quicker than the client's patience."""
        await self._submission.cancel(watch.job_id, order)
        job = await watch.until(_is_final, self._settings.cancel_wait_s)
        if job is not None and job.state == "completed":
            return job
        name = task_id(watch.job_id)
        error = StillRunning(f"This took too long and was cancelled; GET /v1/tasks/{name} tells how it ended.")
        error.headers["x-task-id"] = name
        raise error

    def _left_s(self, request: Request) -> float:
        gone_s = time.perf_counter() - Note.of(request.scope).started
        return max(1.0, self._settings.synchronous_limit_s - gone_s)


def ended_badly(job: Job) -> JobEndedBadly:
    """Why a job has no output, as an error; its sentence never quotes the request."""
    if job.state == "abandoned":
        return JobEndedBadly("The request was not accepted; nothing was charged.", code="accept_expired")
    error = JobEndedBadly(job.error_message or "The job failed.", code=job.error_code)
    error.headers["x-task-id"] = task_id(job.job_id)
    return error


def _is_final(job: Job) -> bool:
    return job.is_final


def _is_decided(job: Job) -> bool:
    return job.is_decided


async def _listen(request: Request, watch: Watch) -> None:
    """After the body, the next thing a client can say is that it hangs up."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            watch.client_went_away()
            return
