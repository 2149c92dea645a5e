"""The native family: submit and poll. Everything answers at once; ``wait`` holds a poll until something changes."""

from starlette.requests import Request
from starlette.responses import Response

from common.credits import to_credits
from common.ids import new_job_id, parse_public_id
from gateway.api.answers import answer
from gateway.api.counter import Counter
from gateway.api.desk import Desk, Kind
from gateway.api.views import Views
from gateway.billing_api import BillingApi
from gateway.domain.job import Job
from gateway.errors import InvalidRequest, NotFound
from gateway.jobs.repository import JobRows
from gateway.jobs.waiters import Waiters


class Native:
    """The calls of the original's clients."""

    def __init__(
        self,
        *,
        desk: Desk,
        counter: Counter,
        views: Views,
        jobs: JobRows,
        waiters: Waiters,
        billing: BillingApi,
        long_poll_limit_s: float,
    ) -> None:
        self._desk = desk
        self._counter = counter
        self._views = views
        self._jobs = jobs
        self._waiters = waiters
        self._billing = billing
        self._long_poll_limit_s = long_poll_limit_s

    async def generate_image(self, request: Request) -> Response:
        """Submit a picture."""
        return await self._generate(request, "image")

    async def generate_video(self, request: Request) -> Response:
        """Submit a video."""
        return await self._generate(request, "video")

    async def task(self, request: Request) -> Response:
        """One task of either family; ``?wait=30`` holds the request until its status changes."""
        job = await self._own(request)
        wait_s = self._wait_s(request.query_params.get("wait"))
        if wait_s > 0 and not job.is_final:
            seen = self._views.accepted(job)["status"]
            with self._waiters.watch(job.job_id) as watch:
                watch.tell(await self._jobs.read(job.job_id) or job)
                changed = await watch.until(lambda now: self._views.accepted(now)["status"] != seen, wait_s)
                job = changed or watch.job or job
        return answer(self._views.task(job))

    async def quote(self, request: Request) -> Response:
        """What a generation with the same body would cost, promised for ten minutes; changes nothing."""
        caller = await self._desk.caller(request)
        job_id = new_job_id()
        form = await self._desk.read(request, caller, job_id, forms=False)
        wanted = await self._desk.priced(request, form, job_id=job_id, dialect="native")
        quote = await self._billing.quote(caller.account_id, caller.opened_at, wanted.sku, wanted.quantity)
        return answer(
            {
                "object": "quote",
                "model": wanted.model,
                "credits": to_credits(quote.amount_microusd),
                "price_version": quote.price_version,
                "quote_id": quote.quote_id,
                "valid_until": int(quote.valid_until.timestamp()),
            }
        )

    async def balance(self, request: Request) -> Response:
        """What can be spent now, and what is held for jobs that run."""
        caller = await self._desk.caller(request)
        balance = await self._billing.balance(caller.account_id)
        available = to_credits(balance.available_microusd)
        return answer(
            {
                "object": "balance",
                "credits": available,
                "available_credits": available,
                "held_credits": to_credits(balance.held_microusd),
                "livemode": caller.livemode,
            }
        )

    async def _generate(self, request: Request, kind: Kind) -> Response:
        caller = await self._desk.caller(request)
        job_id = new_job_id()
        form = await self._desk.read(request, caller, job_id, forms=False)
        async with self._desk.order(
            request, caller, form, job_id=job_id, kind=kind, dialect="native", waits=False
        ) as order:
            job = await self._counter.accepted(request, order)
        # 202: it may yet end failed because it was never held, with nothing charged.
        return self._counter.handover(request, job, self._views.accepted(job), 200 if job.is_decided else 202)

    async def _own(self, request: Request) -> Job:
        caller = await self._desk.caller(request)
        job_id = parse_public_id(request.path_params["id"])
        job = await self._jobs.read(job_id) if job_id is not None else None
        if job is None or (job.account_id, job.livemode) != (caller.account_id, caller.livemode):
            raise NotFound("There is no such task.")
        return job

    def _wait_s(self, text: str | None) -> float:
        if text is None:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) <= 4):
            raise InvalidRequest("wait must be a whole number of seconds.", param="wait")
        return min(float(text), self._long_poll_limit_s)
