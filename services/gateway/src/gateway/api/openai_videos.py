"""OpenAI's video calls: ``/v1/videos``."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from common import clock
from common.ids import new_job_id, parse_public_id, video_id
from gateway.api.answers import answer
from gateway.api.counter import Counter
from gateway.api.desk import Desk
from gateway.api.media import Media
from gateway.api.views import Views
from gateway.domain.job import Job
from gateway.errors import Gone, InvalidRequest, NotFound, NotReady
from gateway.jobs.repository import JobRows

_POLL_YOUNG_MS, _POLL_OLD_MS = 1_000, 3_000
_YOUNG_S = 30
_MAX_PAGE = 100
_DEFAULT_PAGE = 20


class OpenAIVideos:
    """Create, retrieve, list, download."""

    def __init__(self, desk: Desk, counter: Counter, views: Views, jobs: JobRows, media: Media) -> None:
        self._desk = desk
        self._counter = counter
        self._views = views
        self._jobs = jobs
        self._media = media

    async def create(self, request: Request) -> Response:
        """A multipart form, as the SDK always sends, or JSON."""
        caller = await self._desk.caller(request)
        job_id = new_job_id()
        form = await self._desk.read(request, caller, job_id, forms=True)
        async with self._desk.order(
            request, caller, form, job_id=job_id, kind="video", dialect="openai", waits=False
        ) as order:
            job = await self._counter.accepted(request, order)
        return self._counter.handover(request, job, self._views.video(job))

    async def retrieve(self, request: Request) -> Response:
        """One video; the header paces the SDK's polling."""
        job = await self._own_video(request)
        age_s = (clock.now() - job.created_at).total_seconds()
        poll_after_ms = _POLL_YOUNG_MS if age_s < _YOUNG_S else _POLL_OLD_MS
        return answer(self._views.video(job), headers={"openai-poll-after-ms": str(poll_after_ms)})

    async def list(self, request: Request) -> Response:
        """A page, newest first unless ``order=asc``; ``after`` is the last id of the page before."""
        caller = await self._desk.caller(request)
        query = request.query_params
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise InvalidRequest("order must be asc or desc.", param="order")
        limit = _limit(query.get("limit"))
        jobs = await self._jobs.videos(
            caller.account_id,
            livemode=caller.livemode,
            after=_after(query.get("after")),
            limit=limit + 1,
            newest_first=order == "desc",
        )
        page = jobs[:limit]
        return answer(
            {
                "object": "list",
                "data": [self._views.video(job) for job in page],
                "has_more": len(jobs) > limit,
                "first_id": video_id(page[0].job_id) if page else None,
                "last_id": video_id(page[-1].job_id) if page else None,
            }
        )

    async def content(self, request: Request) -> Response:
        """The film itself, by redirect to where it lies; SDKs follow it and leave the key behind."""
        job = await self._own_video(request)
        variant = request.query_params.get("variant", "video")
        if variant != "video":
            raise InvalidRequest("Only variant=video is kept.", param="variant")
        if job.state in ("failed", "abandoned"):
            raise NotFound("This video failed; there is nothing to download.")
        if not job.is_final:
            raise NotReady
        if job.has_expired(clock.now()):
            raise Gone
        location = self._media.location(job.outputs[0], request.method)
        return RedirectResponse(location, 302, headers={"cache-control": "private, no-store"})

    async def _own_video(self, request: Request) -> Job:
        caller = await self._desk.caller(request)
        job_id = parse_public_id(request.path_params["id"])
        job = await self._jobs.read(job_id) if job_id is not None else None
        if (
            job is None
            or job.kind != "video"
            or (job.account_id, job.livemode) != (caller.account_id, caller.livemode)
        ):
            raise NotFound("There is no such video.")
        return job


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MAX_PAGE):
        raise InvalidRequest(f"limit must be a whole number from 1 to {_MAX_PAGE}.", param="limit")
    return int(text)


def _after(text: str | None) -> UUID | None:
    if not text:
        return None
    job_id = parse_public_id(text)
    if job_id is None:
        raise InvalidRequest("after must be the id of a video.", param="after")
    return job_id
