"""Media links: visible only after capture, dead with the output, served by redirect to where the bytes lie."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from common import clock
from common.objects import ObjectStore
from gateway.domain.job import Output
from gateway.domain.media_links import MediaLinks, Verdict, target
from gateway.errors import BadSignature, Gone, NotFound
from gateway.jobs.repository import JobRows

_SHOWN_IN_PLACE = ("image/", "video/", "audio/")
_NEVER_IN_PLACE = frozenset({"image/svg+xml"})


class Media:
    """``GET /media/<job>/<file>``."""

    def __init__(self, links: MediaLinks, jobs: JobRows, store: ObjectStore, redirect_life_s: int) -> None:
        self._links = links
        self._jobs = jobs
        self._store = store
        self._redirect_life_s = redirect_life_s

    async def get(self, request: Request) -> Response:
        """A redirect that lives ten minutes at most; 410 once the output has expired, 403 for a forged link."""
        job, file = request.path_params["job"], request.path_params["file"]
        query = request.query_params
        verdict = self._links.judge(job, file, query.get("e", ""), query.get("s", ""), clock.now())
        if verdict is Verdict.FORGED:
            raise BadSignature
        wanted = target(job, file)
        if wanted is None:
            raise NotFound
        if verdict is Verdict.EXPIRED:
            raise Gone
        row = await self._jobs.read(wanted.job_id)
        output = next((one for one in row.outputs if one.index == wanted.index), None) if row is not None else None
        if row is None or row.state != "completed" or output is None:
            raise NotFound
        headers = {
            "cache-control": "private, no-store",
            "x-content-type-options": "nosniff",
            "content-disposition": _disposition(output.media_type),
            "referrer-policy": "no-referrer",
        }
        return RedirectResponse(self.location(output, request.method), 302, headers=headers)

    def location(self, output: Output, method: str = "GET") -> str:
        """Where the bytes can be read for the next minutes, never longer than the output lives; then `Gone`.

        ``method`` is the one that was asked with: clients follow a redirect with the same, GET or HEAD.
        """
        left_s = int((output.expires_at - clock.now()).total_seconds())
        if left_s < 1:  # no link lives shorter than a second
            raise Gone
        return self._store.presign_read(
            self._store.outputs,
            output.key,
            min(self._redirect_life_s, left_s),
            method="HEAD" if method == "HEAD" else "GET",
            media_type=output.media_type,
            disposition="inline" if _disposition(output.media_type) == "inline" else "attachment",
        )


def _disposition(media_type: str) -> str:
    shown = media_type.startswith(_SHOWN_IN_PLACE) and media_type not in _NEVER_IN_PLACE
    return "inline" if shown else "attachment"
