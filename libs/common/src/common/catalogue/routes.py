"""One way to get a model's outputs: a provider, what it charges, and what it can be told."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.catalogue.base import Micro, Milliseconds, Part, Scalar
from common.catalogue.conditions import Parameters
from common.catalogue.sizes import TIERS, read_frame

Protocol = Literal[
    "openai-images",
    "azure-images",
    "gemini-content",
    "vertex-content",
    "vertex-video",
    "ark-images",
    "ark-video",
    "dashscope-video",
    "vidu-video",
    "xai-video",
    "fal-queue",
    "replicate",
]
"""Wire protocols that the dispatcher speaks; a new one is an adapter there and its name here."""


class Sent(Part):
    """How a canonical value is written in the upstream's field ``name``; the name alone means: as it is.

    ``form`` "text" writes numbers as text, "seconds" with an s behind them, "width_height" a size as an object of two
    numbers, "factor" how many times larger a film's resolution is than that in the parameter ``of``, at most ``most``
    times; ``words`` replaces values first. With ``modes`` it is only said in those; in the others the upstream takes
    it from the inputs.
    """

    name: str
    form: Literal["same", "text", "seconds", "width_height", "factor"] = "same"
    of: str | None = None
    most: int | None = None
    words: dict[str, Scalar] = Field(default_factory=dict)
    # Behind the validator below a list is no JSON any more, which alone may become a tuple.
    modes: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, written: Any) -> Any:
        return {"name": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _of_what(self) -> Self:
        if (self.form == "factor") != (self.of is not None) or (self.most is not None and self.of is None):
            raise ValueError("form factor needs of, and nothing else has of and most")
        return self

    def factor(self, value: Scalar, parameters: Parameters) -> float:
        """How many times larger this resolution is than the other one."""
        assert self.of is not None, "only factors are asked for"
        return TIERS[str(value)] / TIERS[str(parameters[self.of])]

    def write(self, value: Scalar, parameters: Parameters) -> Any:
        """The value as the upstream wants it, among these parameters."""
        if self.form == "factor":
            factor = self.factor(value, parameters)
            return int(factor) if factor.is_integer() else factor
        value = self.words.get(str(value), value)
        if self.form == "width_height":
            frame = read_frame(str(value))
            assert frame is not None, "canonical sizes are written as WIDTHxHEIGHT"
            return {"width": frame.width, "height": frame.height}
        if self.form == "seconds":
            return f"{value}s"
        return str(value) if self.form == "text" else value


class Timeouts(Part):
    """How long one attempt may take, step by step.

    A provider that answers with the outputs has ``answer_ms`` (last byte sent to answer read). One that takes a
    task has ``submit_ms`` for accepting it, of which after ``hang_failover_ms`` the next route starts beside it,
    and ``poll_ms`` for each question about it. ``poll_least_ms`` is the shortest pause between two questions that the
    provider asks for, whatever the model's own plan.
    """

    connect_ms: Milliseconds
    answer_ms: Milliseconds | None = None
    submit_ms: Milliseconds | None = None
    hang_failover_ms: Milliseconds | None = None
    poll_ms: Milliseconds | None = None
    poll_least_ms: Annotated[int, Field(ge=0, le=600_000)] = 0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        asynchronous = (self.submit_ms, self.hang_failover_ms, self.poll_ms)
        wanted = [time is not None for time in asynchronous]
        if (self.answer_ms is None and not all(wanted)) or (self.answer_ms is not None and any(wanted)):
            raise ValueError("needs either answer_ms, or submit_ms, hang_failover_ms and poll_ms")
        return self


class Loss(Part):
    """SKUs that cost more here than they are sold for, and why that is accepted."""

    skus: Annotated[tuple[str, ...], Field(min_length=1)]
    because: Annotated[str, Field(min_length=20)]


class Route(Part):
    """A provider's offer of the model; routes stand in the file in order of preference.

    ``upstream`` is the provider's model or endpoint id per mode (a mode missing there is not offered).
    ``send`` names the upstream's field for each canonical parameter; ``without`` lists the parameters it has no
    field for, with the values it honours all the same. ``takes`` lists the values it can be told, where they are
    fewer than the model's, ``limits`` the smallest and the largest number. ``fixed`` is sent always. ``texts`` and
    ``inputs`` name the fields (or roles) of texts and of input media; a field with ``[]`` behind it takes a list.
    ``inputs_in`` has other fields for some of them in some modes.
    ``outputs`` is the field for how many outputs are wanted, ``outputs_per_call`` the most that one call gives.
    """

    provider: Annotated[str, Field(pattern=r"^[a-z]+$")]
    protocol: Protocol
    upstream: Annotated[dict[str, str], Field(min_length=1)]
    cost_microusd: dict[str, Micro]
    send: dict[str, Sent] = Field(default_factory=dict)
    without: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    takes: dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]] = Field(default_factory=dict)
    limits: dict[str, tuple[int, int]] = Field(default_factory=dict)
    fixed: dict[str, Scalar] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    inputs_in: dict[str, dict[str, str]] = Field(default_factory=dict)
    outputs: str | None = None
    outputs_per_call: Annotated[int, Field(ge=1)] = 1
    timeouts: Timeouts
    loss: Loss | None = None

    @property
    def synchronous(self) -> bool:
        """Whether the provider's answer holds the outputs."""
        return self.timeouts.answer_ms is not None

    def why_not(self, mode: str, parameters: Parameters, lossy: Collection[str] = ()) -> str | None:
        """Why this route cannot carry such a request, None if it can; ``lossy`` parameters may be lost."""
        if mode not in self.upstream:
            return f"{self.provider} does not offer the mode {mode}"
        for name, value in parameters.items():
            if name not in lossy and not self._can_be_told(name, value, parameters):
                how = "cannot be told" if name in self.without else "does not take every"
                return f"{self.provider} {how} {name}"
        return None

    def carries(self, mode: str, parameters: Parameters, lossy: Collection[str] = ()) -> bool:
        """Whether the upstream can do all that is asked for."""
        return self.why_not(mode, parameters, lossy) is None

    def input_fields(self, mode: str) -> dict[str, str]:
        """The upstream's field for each role, in the order of the roles."""
        return {**self.inputs, **self.inputs_in.get(mode, {})}

    def fields(self, mode: str, parameters: Parameters, outputs: int) -> dict[str, Any]:
        """The upstream's fields for these parameters, without texts, inputs and the model's id.

        A value that it cannot be told is left out: whoever asked allowed that to be lost.
        """
        written = {
            sent.name: sent.write(parameters[name], parameters)
            for name, sent in self.send.items()
            if name in parameters
            and (not sent.modes or mode in sent.modes)
            and self._can_be_told(name, parameters[name], parameters)
        }
        counted = {} if self.outputs is None else {self.outputs: outputs}
        return {**self.fixed, **written, **counted}

    def _can_be_told(self, name: str, value: Scalar, parameters: Parameters) -> bool:
        if name in self.without:
            return value in self.without[name]
        sent = self.send.get(name)
        if sent is not None and sent.most is not None and sent.factor(value, parameters) > sent.most:
            return False
        if name in self.limits:
            least, most = self.limits[name]
            return least <= int(value) <= most
        return value in self.takes.get(name, (value,))
