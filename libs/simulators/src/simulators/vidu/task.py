"""One task, and what Vidu tells of it."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from simulators.ark.task import VARIANTS
from simulators.links import Links, Output
from simulators.rendering import Timeline
from simulators.vidu.request import CREDITS_PER_S
from simulators.vidu.scenarios import ENDS


@dataclass(slots=True)
class Task:
    """A created task; its prompt is gone, only the seed drawn from it remains."""

    values: dict[str, Any]
    film: Output
    seed: bytes
    scenario: str
    timeline: Timeline
    url_ttl_s: float
    oversized_bytes: int
    origin: str
    id: str = field(default_factory=lambda: str(secrets.randbelow(9 * 10**17) + 10**17))
    cancelled: bool = False

    @property
    def state(self) -> str:
        """created, queueing, processing, success or failed."""
        if self.cancelled:
            return "failed"
        if self.timeline.is_done:
            return "failed" if self.scenario in ENDS else "success"
        return "queueing" if self.timeline.is_queued else "processing"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("success", "failed")

    @property
    def credits(self) -> int:
        """What it costs; failures and cancelled ones are given back."""
        if self.state == "failed":
            return 0
        return CREDITS_PER_S[self.values["resolution"]] * int(self.values["duration"])

    def created(self) -> dict[str, Any]:
        """The submit's answer."""
        shown = ("model", "duration", "seed", "resolution", "audio", "payload", "off_peak")
        began = datetime.fromtimestamp(self.timeline.began_at, UTC)
        return {
            "task_id": self.id,
            "state": "created",
            **{name: self.values[name] for name in shown},
            "aspect_ratio": self.values.get("aspect_ratio"),
            "credits": self.credits,
            "created_at": began.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }

    def shown(self, links: Links) -> dict[str, Any]:
        """The task as it stands, with what was made."""
        state, line = self.state, self.timeline
        done = 100 if self.is_terminal or not line.render_s else int(100 * line.elapsed_s / line.render_s)
        return {
            "id": self.id,
            "state": state,
            "err_code": ("Cancelled" if self.cancelled else ENDS[self.scenario]) if state == "failed" else "",
            "credits": self.credits,
            "payload": self.values["payload"] or "",
            "progress": min(done, 99) if not self.is_terminal else 100,
            "creations": self._creations(links) if state == "success" else [],
        }

    def _creations(self, links: Links) -> list[dict[str, str]]:
        if self.scenario == "empty_output":
            return []
        variant = VARIANTS.get(self.scenario, "ok")
        film = replace(self.film, seed=self.seed, variant=variant, oversized_bytes=self.oversized_bytes)
        cover = Output(self.seed, film.width, film.height, "jpeg")
        done_at = self.timeline.done_at
        expires_at = done_at - 1 if self.scenario == "expired_url" else done_at + self.url_ttl_s
        url, cover_url = (links.to(one, expires_at, self.origin) for one in (film, cover))
        return [{"id": self.seed.hex()[:18], "url": url, "cover_url": cover_url}]
