"""Fields by which a dialect says several canonical parameters at once, or one in two parts.

``apply`` takes its own fields out of what the client sent and gives the canonical parameters they stand for.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.catalogue.base import Dialect, Name, Part, Step, class_of, rising
from common.catalogue.errors import InvalidParameter
from common.catalogue.sizes import TIERS, nearest_ratio, read_frame, read_ratio


class FrameField(Part):
    """WIDTHxHEIGHT becomes the nearest of some ratios, and a tier by its shorter edge.

    A word of ``left_open`` says neither: both are as if the field had not been sent.
    """

    rule: Literal["frame"]
    dialects: tuple[Dialect, ...]
    field: Name
    ratio: str
    tier: str
    ratios: Annotated[tuple[str, ...], Field(min_length=1)]
    tiers: tuple[Step, ...]
    min_edge: int
    max_edge: int
    left_open: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _readable(self) -> Self:
        rising(self.tiers)
        if self.tiers[-1].up_to is not None or None in [read_ratio(ratio) for ratio in self.ratios]:
            raise ValueError("ratios are written as 16:9, and the last tier is open")
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """The canonical parameters it gives."""
        return (self.ratio, self.tier)

    def apply(self, fields: dict[str, Any]) -> dict[str, str]:
        """Canonical ratio and tier; empty if the client sent no such field."""
        if self.field not in fields:
            return {}
        value = fields.pop(self.field)
        if isinstance(value, str) and value.casefold() in self.left_open:
            return {}
        frame = read_frame(value) if isinstance(value, str) else None
        if frame is None or frame.short < self.min_edge or frame.long > self.max_edge:
            words = "".join(f"{word}, or " for word in self.left_open)
            message = f"{self.field} must be {words}WIDTHxHEIGHT with edges from {self.min_edge} to {self.max_edge}."
            raise InvalidParameter(self.field, "invalid_value", message)
        tier = class_of(frame.short, self.tiers)
        assert tier is not None, "the last tier is open"
        return {self.ratio: nearest_ratio(frame, self.ratios), self.tier: tier}

    def properties(self) -> dict[str, dict[str, Any]]:
        """JSON schema of its fields."""
        about = f"WIDTHxHEIGHT in pixels, read as the nearest {self.ratio} and {self.tier}."
        pattern = "|".join([*self.left_open, r"\d+x\d+"])
        written = f"^({pattern})$" if self.left_open else f"^{pattern}$"
        return {self.field: {"type": "string", "pattern": written, "description": about}}


class PresetFields(Part):
    """A ratio in one field and a tier in another become one canonical size, looked up in a table.

    A ``field`` that is no ratio is left to the canonical parameter of that name; a tier beside it is refused,
    for then the size is said twice.
    """

    rule: Literal["presets"]
    dialects: tuple[Dialect, ...]
    field: Name
    tier_field: Name
    sets_parameter: str
    ratio: str
    tier: str
    same_as_ratio: tuple[str, ...] = ()
    """Words in ``field`` that stand for the default ratio."""
    sizes: dict[str, dict[str, str]]
    """Tier, ratio, size."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.ratio not in self.sizes.get(self.tier, {}):
            raise ValueError("the default ratio and tier must be in sizes")
        for ratio, size in ((r, s) for table in self.sizes.values() for r, s in table.items()):
            if read_ratio(ratio) is None or read_frame(size) is None:
                raise ValueError("sizes map a ratio as 16:9 to a size as 1024x1024")
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """The canonical parameters it gives."""
        return (self.sets_parameter,)

    def apply(self, fields: dict[str, Any]) -> dict[str, str]:
        """The canonical size; empty if the client spoke in pixels or not at all."""
        shape = fields.get(self.field)
        word = shape.casefold() if isinstance(shape, str) else None
        if self.tier_field not in fields and (word is None or read_ratio(word) is None):
            return {}
        if shape is None or word in self.same_as_ratio:
            word = self.ratio
        if word is None or read_ratio(word) is None:
            message = f"{self.tier_field} goes with a ratio; send {self.field} as a ratio or leave it out."
            raise InvalidParameter(self.tier_field, "invalid_value", message)
        tier = fields.pop(self.tier_field, self.tier)
        fields.pop(self.field, None)
        table = self.sizes.get(tier.casefold()) if isinstance(tier, str) else None
        if table is None:
            message = f"{self.tier_field} must be one of: {', '.join(self.sizes)}."
            raise InvalidParameter(self.tier_field, "invalid_value", message)
        if word not in table:
            message = f"{self.field} must, with this {self.tier_field}, be one of: {', '.join(table)}."
            raise InvalidParameter(self.field, "invalid_value", message)
        return {self.sets_parameter: table[word]}

    def properties(self) -> dict[str, dict[str, Any]]:
        """JSON schema of its fields."""
        ratios = list(dict.fromkeys(ratio for table in self.sizes.values() for ratio in table))
        about = f"{', '.join(ratios)}: combined with {self.tier_field}."
        return {
            self.tier_field: {"type": "string", "enum": list(self.sizes), "default": self.tier},
            self.field: {"type": "string", "description": about, "default": self.ratio},
        }


class FactorField(Part):
    """How many times larger a film shall become: a resolution, by that of its source in the field ``of``."""

    rule: Literal["factor"]
    dialects: tuple[Dialect, ...]
    field: Name
    of: Name
    tier: str
    tiers: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not set(self.tiers) <= set(TIERS):
            raise ValueError(f"tiers are {', '.join(TIERS)}")
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """The canonical parameter it gives."""
        return (self.tier,)

    def apply(self, fields: dict[str, Any]) -> dict[str, str]:
        """The canonical resolution; empty if the client sent no factor."""
        if self.field not in fields:
            return {}
        factor, source = _number(fields.pop(self.field)), fields.get(self.of)
        if source is None:
            message = f"{self.field} needs {self.of} beside it."
            raise InvalidParameter(self.of, "missing_required_parameter", message)
        edge = TIERS.get(source.casefold()) if isinstance(source, str) else None
        if edge is None:
            return {self.tier: self.tiers[0]}  # what is wrong with the source is said when it is read itself
        for tier in self.tiers:
            # 1.33 from 540p is 720p.
            if factor is not None and abs(factor * edge / TIERS[tier] - 1) < 0.01:
                return {self.tier: tier}
        message = f"{self.field} must be a number that leads from {self.of} to one of: {', '.join(self.tiers)}."
        raise InvalidParameter(self.field, "invalid_value", message)

    def properties(self) -> dict[str, dict[str, Any]]:
        """JSON schema of its fields."""
        about = f"In place of {self.tier}: how many times larger than {self.of}."
        return {self.field: {"type": ["number", "string"], "description": about}}


def _number(value: Any) -> float | None:
    """Forms send it as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


Translation = Annotated[FrameField | PresetFields | FactorField, Field(discriminator="rule")]
