"""One task, and what Vidu tells of it."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.links import Links, Output
from simulators.making import Making
from simulators.vidu.request import CREDITS_PER_S
from simulators.vidu.scenarios import ENDS


@dataclass(slots=True, kw_only=True)
class Task(Making):
    """A created task."""

    values: dict[str, Any]
    film: Output
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
        cover = Output(self.seed, self.film.width, self.film.height, "jpeg")
        film_url, cover_url = (self.url(links, one) for one in (self.output(self.film), cover))
        return [{"id": self.seed.hex()[:18], "url": film_url, "cover_url": cover_url}]
