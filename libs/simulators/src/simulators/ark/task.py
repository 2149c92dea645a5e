"""A video task as Ark tells of it."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from simulators.ark.request import Wanted
from simulators.ark.scenarios import task_error
from simulators.links import Links, Output
from simulators.making import Making


def new_task_id() -> str:
    """An id in Ark's form."""
    return f"cgt-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(5)}"


@dataclass(slots=True, kw_only=True)
class Task(Making):
    """One accepted task."""

    wanted: Wanted
    id: str = field(default_factory=new_task_id)
    cancelled_at: float | None = None

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed, cancelled or expired."""
        if self.cancelled_at is not None:
            return "cancelled"
        if self.timeline.is_done:
            return "failed" if task_error(self.scenario) else "succeeded"
        if self.timeline.elapsed_s >= self.wanted.expires_after_s:
            return "expired"
        return "queued" if self.timeline.is_queued else "running"

    def shown(self, links: Links) -> dict[str, Any]:
        """The body of a GET and of a callback."""
        status, wanted, line = self.status, self.wanted, self.timeline
        updated = {"queued": line.began_at, "running": line.running_at, "cancelled": self.cancelled_at or 0.0}
        shown: dict[str, Any] = {
            "id": self.id,
            "model": wanted.model,
            "status": status,
            "error": task_error(self.scenario) if status == "failed" else None,
            "created_at": int(line.began_at),
            "updated_at": int(updated.get(status, line.done_at)),
            "service_tier": wanted.service_tier,
            "execution_expires_after": wanted.expires_after_s,
        }
        if status != "succeeded":
            return shown
        shown |= {
            "content": self._content(links),
            "usage": {"completion_tokens": wanted.tokens, "total_tokens": wanted.tokens},
            "seed": int.from_bytes(self.seed[:4]) if wanted.seed == -1 else wanted.seed,
            "resolution": wanted.resolution,
            "ratio": "16:9" if wanted.ratio == "adaptive" else wanted.ratio,
            "duration": wanted.duration,
            "framespersecond": 24,
            "generate_audio": wanted.generate_audio,
        }
        return shown

    def _content(self, links: Links) -> dict[str, str]:
        if self.scenario == "empty_output":
            return {"video_url": ""}
        width, height = self.wanted.frame
        film = Output(b"", width, height, "mp4", self.wanted.duration, self.wanted.generate_audio)
        content = {"video_url": self.url(links, self.output(film))}
        if self.wanted.return_last_frame:
            content["last_frame_url"] = self.url(links, Output(self.seed, width, height, "png"))
        return content
