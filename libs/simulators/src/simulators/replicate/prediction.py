"""One prediction, and what Replicate tells of it."""

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.links import Links, Output
from simulators.making import Making
from simulators.replicate.scenarios import FAILURES

KEPT_S = 3_600.0
"""Inputs and outputs of predictions made over the API are deleted after an hour."""
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """Twenty-six letters, as Replicate's ids have."""
    return "".join(secrets.choice(_LETTERS) for _ in range(26))


@dataclass(slots=True, kw_only=True)
class Prediction(Making):
    """An accepted prediction."""

    model: str
    outputs: tuple[Output, ...]
    listed: bool
    webhook: str | None
    events: tuple[str, ...]
    cancel_after_s: float | None = None
    id: str = field(default_factory=new_id)
    cancelled_at: float | None = None

    @property
    def _deadline_passed(self) -> bool:
        return (
            self.cancel_after_s is not None
            and self.timeline.elapsed_s >= self.cancel_after_s
            and not (self.timeline.is_done and self.timeline.render_s < self.cancel_after_s)
        )

    @property
    def status(self) -> str:
        """starting, processing, succeeded, failed, canceled or aborted."""
        if self.cancelled_at is not None or self._deadline_passed:
            return "canceled"
        if self.scenario == "aborted":
            return "aborted"
        if self.timeline.is_done:
            return "failed" if self.scenario in FAILURES else "succeeded"
        return "starting" if self.timeline.is_queued else "processing"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self.status not in ("starting", "processing")

    @property
    def removed(self) -> bool:
        """Whether inputs and outputs are gone."""
        return self.scenario == "data_removed" or time.time() > self.timeline.done_at + KEPT_S

    def shown(self, links: Links) -> dict[str, Any]:
        """The prediction object. The input is not repeated: a stand-in keeps no prompts."""
        status, line = self.status, self.timeline
        base = f"{self.origin}/v1/predictions/{self.id}"
        shown: dict[str, Any] = {
            "id": self.id,
            "model": self.model,
            "version": "hidden",
            "input": {},
            "logs": "",
            "output": None,
            "data_removed": status == "succeeded" and self.removed,
            "error": FAILURES[self.scenario] if status == "failed" else None,
            "status": status,
            "created_at": _iso(line.began_at),
            "urls": {"get": base, "cancel": f"{base}/cancel", "web": f"https://replicate.com/p/{self.id}"},
        }
        if status not in ("starting", "aborted"):
            shown["started_at"] = _iso(line.running_at)
        if self.is_terminal:
            shown["completed_at"] = _iso(self.cancelled_at or line.done_at)
            shown["metrics"] = {
                "predict_time": round(line.render_s - line.queued_s, 3),
                "total_time": round(line.render_s, 3),
            }
        if status == "succeeded":
            shown["metrics"] |= self._measured()
            shown["output"] = None if shown["data_removed"] else self._output(links)
        return shown

    def _measured(self) -> dict[str, float]:
        first = self.outputs[0]
        if first.kind == "mp4":
            return {"video_output_duration_seconds": first.seconds}
        return {"image_output_count": len(self.outputs)}

    def _output(self, links: Links) -> Any:
        if self.scenario == "empty_output":
            return None
        made = [self.output(plain, index) for index, plain in enumerate(self.outputs)]
        urls = [self.url(links, one, longest_s=KEPT_S) for one in made]
        return urls if self.listed else urls[0]


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
