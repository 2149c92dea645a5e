"""Where orders are placed and answers are waited for; both families' POSTs end here."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from common.ids import task_id
from gateway.api.answers import Handover
from gateway.api.edge import Note
from gateway.domain.job import Job
from gateway.errors import GatewayError, JobEndedBadly, StillRunning, TimedOut
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
            JobEndedBadly: refused or refunded. TimedOut: cancelled at the limit. StillRunning: perhaps cancelled.
            ClientGone: nobody listens.
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

    def handover(
        self, request: Request, job: Job, content: Any, status: int = 200, *, headers: dict[str, str] | None = None
    ) -> Handover:
        """The job's answer; if its client has hung up before the end of it, a repeat may adopt the job."""
        return Handover(
            content,
            status,
            headers=headers,
            is_gone=request.is_disconnected,
            taken=lambda: self._marks.delivered(job.job_id),
            lost=lambda: self._marks.released(job.job_id),
        )

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
        """At the limit: have it cancelled. A verdict that comes within the client's patience is its answer.

        Without one nobody knows yet whether the cancel was in time: the answer must not be one of those that promise
        that nothing is charged.
        """
        await self._submission.cancel(watch.job_id, order)
        job = await watch.until(_is_final, self._settings.cancel_wait_s)
        if job is not None and job.state == "completed":
            return job
        name = task_id(watch.job_id)
        error: GatewayError
        if job is None:
            error = StillRunning(
                f"This took too long and is being cancelled; GET /v1/tasks/{name} tells how it ended."
            )
        else:
            error = TimedOut(f"This took too long and was cancelled, nothing was charged: GET /v1/tasks/{name}.")
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
