"""One queued request, and what fal tells of it."""

import math
import uuid
from dataclasses import dataclass, field
from typing import Any

from simulators.fal.models import Run
from simulators.fal.scenarios import outcome
from simulators.links import Links
from simulators.making import Making
from simulators.media import Darkroom

Detail = list[dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class Job(Making):
    """An accepted request."""

    app: str
    run: Run | None
    refused: Detail | None
    position: int
    start_timeout_s: float | None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    cancelled: bool = False

    @property
    def timed_out(self) -> bool:
        """Whether it waited longer for its start than the caller allowed."""
        limit = self.start_timeout_s
        return limit is not None and self.timeline.queued_s > limit and self.timeline.elapsed_s >= limit

    @property
    def status(self) -> str:
        """IN_QUEUE, IN_PROGRESS or COMPLETED; there is no word for failure."""
        if self.cancelled or self.timed_out or self.timeline.is_done:
            return "COMPLETED"
        return "IN_QUEUE" if self.timeline.is_queued else "IN_PROGRESS"

    @property
    def failure(self) -> tuple[int, Any, str] | None:
        """Status, body and error type of a result that is none."""
        if self.cancelled:
            return 499, {"detail": "Request was cancelled"}, "client_cancelled"
        if self.timed_out:
            return 504, {"detail": "Request timed out", "error_type": "request_timeout"}, "request_timeout"
        if self.refused is not None:
            return 422, {"detail": self.refused}, self.refused[0]["type"]
        failed = outcome(self.scenario)
        return None if failed is None else (failed[0], {"detail": failed[1]}, failed[1][0]["type"])

    def urls(self) -> dict[str, str]:
        """Where to ask: by owner and application only, whatever the endpoint was."""
        base = f"{self.origin}/{self.app}/requests/{self.id}"
        return {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}

    def shown(self, *, logs: bool = False) -> dict[str, Any]:
        """The status object."""
        status = self.status
        shown: dict[str, Any] = {"status": status, "request_id": self.id, **self.urls()}
        if status == "IN_QUEUE":
            line = self.timeline
            left = 1 - line.elapsed_s / line.queued_s if line.queued_s else 0
            return shown | {"queue_position": max(0, math.ceil(self.position * left))}
        shown["logs"] = [] if logs else None
        if status == "COMPLETED":
            shown["metrics"] = {"inference_time": round(self.timeline.render_s - self.timeline.queued_s, 3)}
            if self.failure is not None:
                shown |= {"error": f"Request failed with status {self.failure[0]}", "error_type": self.failure[2]}
        return shown

    async def result(self, links: Links, darkroom: Darkroom) -> dict[str, Any]:
        """The model's output, with the size of every file as it will be served."""
        assert self.run is not None
        if self.scenario == "empty_output":
            return {self.run.key: [] if self.run.key == "images" else None}
        files = []
        for index, plain in enumerate(self.run.outputs):
            output = self.output(plain, index)
            file: dict[str, Any] = {
                "url": self.url(links, output),
                "content_type": output.media_type,
                "file_name": output.name,
                "file_size": len(await darkroom.develop(output)),
            }
            if self.run.key == "images":
                file |= {"width": output.width, "height": output.height}
            files.append(file)
        if self.run.key == "images":
            return {"images": files}
        return {"video": files[0], "seed": int.from_bytes(self.seed[:4])}
