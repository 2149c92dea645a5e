"""From parameters to what is sold: the SKU, and how many units of it."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from common.catalogue.base import Micro, Part, Scalar, Step, class_of, rising
from common.catalogue.conditions import Parameters
from common.catalogue.parameters import Integer, Parameter, Pixels

MARGIN_PERCENT = 15
TENTH_OF_A_CREDIT_MICROUSD = 100


def written(value: Scalar) -> str:
    """A value as JSON writes it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Dimension(Part):
    """One part of the SKU: the value of a parameter (by the word for it, if there are any), or its number's class."""

    parameter: str
    steps: tuple[Step, ...] = ()
    words: dict[str, str] = Field(default_factory=dict)
    """Value, as JSON writes it, and word: ``true = "audio"``."""

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        if self.steps:
            rising(self.steps)
        return self

    def of(self, parameters: Parameters, declared: Parameter) -> str:
        """The part's name for these parameters."""
        value = parameters[self.parameter]
        if self.words:
            return self.words[written(value)]
        if not self.steps:
            return str(value)
        assert isinstance(declared, Integer | Pixels), "only numbers and sizes have classes"
        name = class_of(declared.measure(value), self.steps)
        assert name is not None, "the last class holds the largest value allowed"
        return name


class ModeClass(Part):
    """One part of the SKU: the class that the request's mode belongs to."""

    modes: Annotated[dict[str, str], Field(min_length=1)]
    """Mode, class; every mode of the model is named.

    A class without a name adds nothing to the SKU: so a mode that is sold differently can join a model whose SKUs are
    in price books already.
    """


class Pricing(Part):
    """What a unit is, how units are counted, and the first price of each SKU in micro-dollars per unit.

    ``outputs`` names the parameter that says how many outputs are wanted (one without it); the quantity is the
    outputs times the parameters in ``times``.
    """

    unit: Literal["image", "second"]
    outputs: str | None = None
    times: tuple[str, ...] = ()
    by: Annotated[tuple[Dimension | ModeClass, ...], Field(min_length=1)]
    seed_microusd: Annotated[dict[str, Micro], Field(min_length=1)]

    def key(self, mode: str, parameters: Parameters, declared: dict[str, Parameter]) -> str:
        """The SKU without the model's id, as ``1mp:medium``."""
        parts = (
            part.modes[mode] if isinstance(part, ModeClass) else part.of(parameters, declared[part.parameter])
            for part in self.by
        )
        return ":".join(part for part in parts if part)

    @property
    def decided_by(self) -> frozenset[str]:
        """Every parameter that the price depends on."""
        of_sku = {part.parameter for part in self.by if isinstance(part, Dimension)}
        return frozenset({*of_sku, *self.times, *([self.outputs] if self.outputs else [])})

    def quantity(self, parameters: Parameters, outputs: int) -> int:
        """Billed units over all outputs."""
        return outputs * math.prod(int(parameters[name]) for name in self.times)


def seed_price_microusd(cost_microusd: int) -> int:
    """List cost plus 15 %, rounded up to a tenth of a credit."""
    with_margin_percent = cost_microusd * (100 + MARGIN_PERCENT)
    return -(-with_margin_percent // (100 * TENTH_OF_A_CREDIT_MICROUSD)) * TENTH_OF_A_CREDIT_MICROUSD
