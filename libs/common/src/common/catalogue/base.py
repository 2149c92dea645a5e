"""What all parts of a model file have in common."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Dialect = Literal["openai", "native"]
"""Which family of the public API a request came through; they name some parameters differently."""

DIALECTS: tuple[Dialect, ...] = ("openai", "native")

Scalar = str | int | bool
"""A canonical value: never free text."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Micro = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""Micro-dollars; the bound catches a price typed in the wrong unit."""

Milliseconds = Annotated[int, Field(gt=0, le=86_400_000)]


class Part(BaseModel):
    """A table of a model file: immutable, and no key that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Words(Part):
    """The same words in each language the product speaks."""

    en: Annotated[str, Field(min_length=1)]
    ja: Annotated[str, Field(min_length=1)]


class Step(Part):
    """A class of a number: everything up to and including ``up_to``; without it, everything above."""

    name: str
    up_to: int | None = None


def class_of(number: int, steps: tuple[Step, ...]) -> str | None:
    """Name of the first class that holds the number, None if it is above them all."""
    for step in steps:
        if step.up_to is None or number <= step.up_to:
            return step.name
    return None


def rising(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same steps; raises ValueError unless bounds rise, names differ and only the last is open."""
    bounds = [step.up_to for step in steps]
    closed = [bound for bound in bounds if bound is not None]
    if not steps or None in bounds[:-1] or closed != sorted(set(closed)):
        raise ValueError("steps must rise, and only the last may be without up_to")
    if len({step.name for step in steps}) != len(steps):
        raise ValueError("two steps have the same name")
    return steps
