"""An accepted order on its way to its outputs: what all providers that take tasks have in common."""

import math
import uuid
from dataclasses import dataclass, replace
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import Response

from simulators.dials import Setting
from simulators.exchange import half
from simulators.faults import Reset, Silence
from simulators.links import Links, Output, seed_of
from simulators.rendering import Timeline

VARIANTS = {
    "truncated_output": "truncated", "html_output": "html", "oversized_output": "oversized", "slow_output": "slow",
}  # fmt: skip
"""Scenarios that befall the file behind a link, and the link's variant."""


@dataclass(slots=True, kw_only=True)
class Making:
    """When it will be done, what befalls it, and how its outputs are found.

    The prompt is gone; only the seed drawn from it remains.
    """

    scenario: str
    timeline: Timeline
    seed: bytes
    url_ttl_s: float
    oversized_bytes: int
    origin: str

    @classmethod
    def of(cls, setting: Setting, prompt: str, request: Request, **own: Any) -> Self:
        """An order as the dials are now; ``own`` are the provider's fields."""
        return cls(
            scenario="ok",
            timeline=Timeline(setting.queued_s, setting.render_ms / 1000),
            # Colours follow the prompt, the rest is the order's own.
            seed=seed_of(prompt)[:2] + uuid.uuid4().bytes[2:],
            url_ttl_s=setting.url_ttl_s,
            oversized_bytes=setting.oversized_bytes,
            origin=f"http://{request.headers.get('host', 'localhost')}",
            **own,
        )

    def begin(self, scenario: str, *, more_s: float = 0) -> None:
        """It is accepted: what befalls it is drawn, and its clock starts; it takes ``more_s`` longer than planned."""
        queued_s, render_s = self.timeline.queued_s, self.timeline.render_s + more_s
        self.scenario = scenario
        self.timeline = Timeline(queued_s, render_s, never=scenario == "never_finishes")

    def output(self, plain: Output, index: int = 0) -> Output:
        """One output with the looks of its own, and with what befalls it."""
        seed = self.seed[:-1] + bytes([(self.seed[-1] + index) % 256])
        variant = VARIANTS.get(self.scenario, "ok")
        return replace(plain, seed=seed, variant=variant, oversized_bytes=self.oversized_bytes)

    def url(self, links: Links, output: Output, *, longest_s: float = math.inf) -> str:
        """Where an output is, for as long as the dials say and the provider keeps it."""
        done_at = self.timeline.done_at
        expires_at = done_at - 1 if self.scenario == "expired_url" else done_at + min(self.url_ttl_s, longest_s)
        return links.to(output, expires_at, self.origin)


def taken(scenario: str, answer: Response) -> Response:
    """The answer to an accepted order, unless nobody hears it."""
    if scenario == "hang_after":
        return Silence()
    return Reset() if scenario == "reset_after" else told(scenario, answer)


def told(scenario: str, answer: Response) -> Response:
    """The answer, or half of it."""
    return half(answer) if scenario == "bad_json" else answer
