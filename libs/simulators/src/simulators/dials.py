"""Dials: what a stand-in does to the calls that reach it, set over HTTP while it runs."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Ms = Annotated[int, Field(ge=0, le=3_600_000)]

ASKED_IN_PROMPT = "[simulate:"


class Setting(BaseModel):
    """One position of the dials. Whatever a PUT leaves out returns to how the stand-in was started."""

    model_config = ConfigDict(extra="forbid")

    scenario: str = Field("ok", description="what happens; each stand-in lists the names it knows")
    on: list[str] | None = Field(None, description="operations the scenario meets; null: the one that begins work")
    times: int | None = Field(None, ge=1, description="the scenario meets the next N calls only, then all is ok")
    for_ms: Ms | None = Field(None, description="the scenario ends by itself after so long")
    fail_ratio: float = Field(1.0, ge=0, le=1, description="share of the calls that meet the scenario")
    seed: int = Field(1, description="draws which calls those are, the same ones every time")
    delay_ms: Ms = Field(0, description="waited before every answer, whatever the operation")
    delay_spread_ms: Ms = Field(0, description="up to so much more, drawn evenly from the seed")
    render_ms: Ms = Field(0, description="from acceptance to the result")
    queue_ms: Ms | None = Field(None, description="of render_ms, how long in the queue; null: a quarter")
    slow_ms: Ms = Field(5_000, description="what `slow` waits")
    retry_after_s: float = Field(2, ge=0, le=86_400, description="what `429_retry_after` asks for")
    url_ttl_s: float = Field(86_400, ge=0, le=604_800, description="how long output links live")
    oversized_bytes: int = Field(2**30, ge=1, le=2**40, description="what `oversized_output` announces and sends")
    drip_bytes_per_s: int = Field(20_000, ge=1, description="pace of slow assets and drips")
    status: int = Field(500, ge=100, le=599, description="receiver: what `status` answers")
    location: str = Field("https://example.com/", description="receiver: where `redirect` points")
    duplicates: int = Field(1, ge=1, le=20, description="how often each callback is delivered")
    shuffle_ms: Ms = Field(0, description="stripe: each delivery waits up to so long, so that they change places")
    forge: bool = Field(default=False, description="beside each callback forged ones are sent")
    tax_percent: float = Field(0, ge=0, le=50, description="stripe: added where automatic_tax is asked for")
    dunning_ends: Literal["cancel", "unpaid"] = Field("cancel", description="stripe: after the last failed retry")
    path: str | None = Field(None, description="receiver: only deliveries to this path; null: all others")

    @property
    def queued_s(self) -> float:
        """Seconds a task stays in the queue."""
        return (self.render_ms / 4 if self.queue_ms is None else min(self.queue_ms, self.render_ms)) / 1000


class UnknownScenario(ValueError):  # noqa: N818 - it reads as what happened
    """This stand-in does not know the scenario."""


class Dials:
    """Holds the setting in force and draws, per call, what happens to it.

    `scenarios` maps the names this stand-in knows to what they do. `begins` names the operations that begin work:
    those meet the scenario unless `on` says otherwise. `changed` is called with the name whenever the scenario
    in force changes, so that `refuse` can close the door.
    """

    def __init__(self, scenarios: Mapping[str, str], begins: tuple[str, ...], start: Setting | None = None) -> None:
        self.scenarios = dict(scenarios)
        self._begins = begins
        self._start = start or Setting()
        self.changed: Callable[[str], None] = lambda _: None
        self._expiry: asyncio.TimerHandle | None = None
        self._take(self._start.model_copy())

    @property
    def now(self) -> Setting:
        """The setting in force."""
        return self._now

    def turn(self, wish: Mapping[str, object]) -> Setting:
        """Put the dials into a new position; raises pydantic's ValidationError or UnknownScenario."""
        setting = Setting.model_validate({**self._start.model_dump(), **wish})
        self.known(setting.scenario)
        self._take(setting)
        if setting.for_ms is not None and setting.scenario != "ok":
            self._expiry = asyncio.get_running_loop().call_later(setting.for_ms / 1000, self._end)
        return setting

    def known(self, scenario: str) -> None:
        """Raise UnknownScenario unless the scenario is one of this stand-in's."""
        if scenario not in self.scenarios:
            raise UnknownScenario(f"{scenario!r} is none of: {', '.join(sorted(self.scenarios))}")

    def reset(self) -> None:
        """Back to how the stand-in was started."""
        self._take(self._start.model_copy())

    def draw(self, operation: str, prompt: str = "") -> str:
        """Which scenario this call meets. A prompt may ask for its own: `[simulate:500] a cat`."""
        if prompt.startswith(ASKED_IN_PROMPT):
            asked = prompt[len(ASKED_IN_PROMPT) :].partition("]")[0]
            if asked in self.scenarios and asked != "refuse" and operation in self._begins:
                return asked
        setting = self._now
        if setting.scenario == "ok" or operation not in (self._begins if setting.on is None else setting.on):
            return "ok"
        if setting.fail_ratio < 1 and self._dice.random() >= setting.fail_ratio:
            return "ok"
        drawn = setting.scenario
        if setting.times is not None:
            if setting.times <= 1:
                self._end()
            else:
                setting.times -= 1
        return drawn

    def delay_s(self, scenario: str = "ok") -> float:
        """Seconds to wait before answering a call."""
        setting = self._now
        delay_ms: float = setting.delay_ms
        if setting.delay_spread_ms:
            delay_ms += self._dice.random() * setting.delay_spread_ms
        if scenario == "slow":
            delay_ms += setting.slow_ms
        return delay_ms / 1000

    def _take(self, setting: Setting) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._now = setting
        self._dice = random.Random(setting.seed)
        self.changed(setting.scenario)

    def _end(self) -> None:
        self._take(self._now.model_copy(update={"scenario": "ok", "times": None, "for_ms": None, "fail_ratio": 1.0}))
