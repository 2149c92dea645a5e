"""A job in the words of each family. ``prompt`` is null everywhere: it is not kept."""

from datetime import datetime
from typing import Any

from common import clock
from common.credits import to_credits
from common.ids import task_id, video_id
from gateway.domain.frames import size_of
from gateway.domain.job import Job
from gateway.domain.media_links import MediaLinks

_NATIVE_STATUS = {"submitted": "processing", "processing": "processing", "abandoned": "failed"}
_OPENAI_STATUS = {"submitted": "queued", "processing": "in_progress", "abandoned": "failed"}
_SECONDS = ("duration", "seconds", "source_seconds")
_TOLD = ("background", "output_format", "quality", "size")


class Views:
    """Draws jobs; links are signed anew each time."""

    def __init__(self, links: MediaLinks) -> None:
        self._links = links

    def accepted(self, job: Job) -> dict[str, Any]:
        """The native family's first answer."""
        return {
            "id": task_id(job.job_id),
            "model": job.model,
            "status": _NATIVE_STATUS.get(job.state, job.state),
            "created_at": _unix(job.created_at),
        }

    def task(self, job: Job) -> dict[str, Any]:
        """The native family's task; ``output`` is null until it is completed and after it has expired."""
        available = job.state == "completed" and not job.has_expired(clock.now())
        return {
            **self.accepted(job),
            "object": "task",
            "kind": job.kind,
            "progress": 100 if job.state == "completed" else 0,
            "prompt": None,
            "output": {f"{job.kind}_urls": self.urls(job)} if available else None,
            "error": self.error(job),
            "finished_at": _unix(job.finished_at),
            "expires_at": _unix(job.expires_at),
            "credits": credits_of(job),
            "livemode": job.livemode,
        }

    def video(self, job: Job) -> dict[str, Any]:
        """OpenAI's video object and a little more."""
        parameters = job.parameters
        seconds = next((parameters[name] for name in _SECONDS if name in parameters), None)
        available = job.state == "completed" and not job.has_expired(clock.now())
        return {
            "id": video_id(job.job_id),
            "object": "video",
            "model": job.model,
            "status": _OPENAI_STATUS.get(job.state, job.state),
            "progress": 100 if job.state == "completed" else 0,
            "created_at": _unix(job.created_at),
            "completed_at": _unix(job.finished_at) if job.state == "completed" else None,
            "expires_at": _unix(job.expires_at),
            "seconds": str(seconds) if seconds is not None else None,
            "size": size_of(parameters),
            "prompt": None,
            "remixed_from_video_id": None,
            "error": self.error(job),
            "task_id": task_id(job.job_id),
            "url": self.urls(job)[0] if available else None,
            "credits": credits_of(job),
        }

    def images(self, job: Job, data: list[dict[str, Any]]) -> dict[str, Any]:
        """OpenAI's answer to an image request."""
        told: dict[str, Any] = {name: job.parameters[name] for name in _TOLD if name in job.parameters}
        return {
            "created": _unix(job.created_at),
            "data": data,
            **told,
            "id": task_id(job.job_id),
            "model": job.model,
            "expires_at": _unix(job.expires_at),
            "credits": credits_of(job),
        }

    def urls(self, job: Job) -> list[str]:
        """A signed link to each output."""
        return [self._links.link(job.job_id, one.index, one.media_type, one.expires_at) for one in job.outputs]

    def error(self, job: Job) -> dict[str, str] | None:
        """Why it failed."""
        if job.state == "abandoned":
            return {"code": "service_unavailable", "message": "The request was not accepted; nothing was charged."}
        if job.state != "failed":
            return None
        return {"code": job.error_code or "generation_failed", "message": job.error_message or "The job failed."}


def credits_of(job: Job) -> dict[str, int | float]:
    """What was held, taken and given back; zeros while nothing is known."""
    return {
        "reserved": to_credits(job.reserved_microusd or 0),
        "charged": to_credits(job.charged_microusd or 0),
        "refunded": to_credits(job.refunded_microusd or 0),
    }


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
