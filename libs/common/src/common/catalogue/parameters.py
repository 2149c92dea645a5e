"""The kinds of parameter a model file can declare, and how each reads what a client sent.

``read`` takes JSON values and the text of multipart forms alike ("5" is 5, "true" is true) and gives the
canonical value or raises InvalidParameter. ``reachable`` walks everything it can give, or only the ends of a
range too long to walk. ``measure`` is the number that price classes go by.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.catalogue.base import Dialect, Name, Part, Scalar, Words
from common.catalogue.errors import InvalidParameter
from common.catalogue.sizes import Frame, read_frame

_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_LONGEST_WALK = 1000


class _Named(Part):
    """What every parameter has: its names per dialect (its own where none are given) and its story.

    One that is ``required`` has no default: there is nothing to take for granted.
    """

    about: Words | None = None
    required: bool = False
    names: dict[Dialect, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(default_factory=dict)


class Choice(_Named):
    """One of a few words, whatever their case; ``means`` are further words that stand for one of them."""

    type: Literal["choice"]
    values: Annotated[tuple[str, ...], Field(min_length=1)]
    means: dict[str, str] = Field(default_factory=dict)
    default: str | None = None

    @model_validator(mode="after")
    def _leads_to_values(self) -> Self:
        if not {*self.means.values(), self.default or self.values[0]} <= set(self.values):
            raise ValueError("default and means must lead to one of values")
        return self

    def read(self, value: Any, name: str) -> Scalar:
        """The canonical word."""
        words = {word.casefold(): word for word in self.values}
        words |= {word.casefold(): meant for word, meant in self.means.items()}
        found = words.get(value.casefold()) if isinstance(value, str) else None
        if found is None:
            allowed = ", ".join([*self.means, *self.values])
            raise InvalidParameter(name, "invalid_value", f"{name} must be one of: {allowed}.")
        return found

    def reachable(self) -> Iterator[Scalar]:
        """All its words."""
        yield from self.values

    def property_schema(self) -> dict[str, Any]:
        """JSON schema of what a client may send."""
        return {"type": "string", "enum": [*self.means, *self.values]}


class Integer(_Named):
    """A whole number within a range."""

    type: Literal["integer"]
    minimum: int
    maximum: int
    default: int | None = None
    text: tuple[Dialect, ...] = ()
    """Dialects in which it is customarily written as text, as OpenAI's ``seconds``; both forms are taken."""

    @model_validator(mode="after")
    def _within_range(self) -> Self:
        default = self.minimum if self.default is None else self.default
        if not self.minimum <= default <= self.maximum:
            raise ValueError("minimum <= default <= maximum must hold")
        return self

    def read(self, value: Any, name: str) -> Scalar:
        """The number."""
        number: int | None = None
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, float) and value.is_integer():
            number = int(value)
        if number is None or not self.minimum <= number <= self.maximum:
            message = f"{name} must be a whole number from {self.minimum} to {self.maximum}."
            raise InvalidParameter(name, "invalid_value", message)
        return number

    def reachable(self) -> Iterator[Scalar]:
        """All its numbers, or only the two ends of a long range."""
        if self.maximum - self.minimum < _LONGEST_WALK:
            yield from range(self.minimum, self.maximum + 1)
        else:
            yield from (self.minimum, self.maximum)

    def measure(self, value: Scalar) -> int:
        """The number itself."""
        return int(value)

    def property_schema(self) -> dict[str, Any]:
        """JSON schema of what a client may send."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class Flag(_Named):
    """True or false."""

    type: Literal["flag"]
    default: bool | None = None

    def read(self, value: Any, name: str) -> Scalar:
        """The truth value."""
        if isinstance(value, bool):
            return value
        found = {"true": True, "false": False}.get(value.casefold()) if isinstance(value, str) else None
        if found is None:
            raise InvalidParameter(name, "invalid_value", f"{name} must be true or false.")
        return found

    def reachable(self) -> Iterator[Scalar]:
        """Both values."""
        yield from (False, True)

    def property_schema(self) -> dict[str, Any]:
        """JSON schema of what a client may send."""
        return {"type": "boolean"}


class Pixels(_Named):
    """A picture's size as WIDTHxHEIGHT, within what the model can draw; ``means`` are words for some sizes."""

    type: Literal["pixels"]
    multiple_of: Annotated[int, Field(ge=1)]
    longest_to_shortest: Annotated[int, Field(ge=1)]
    max_edge: Annotated[int, Field(le=16384)]
    max_pixels: int
    min_pixels: Annotated[int, Field(ge=1)] = 1
    means: dict[str, str] = Field(default_factory=dict)
    default: str | None = None

    @model_validator(mode="after")
    def _leads_to_sizes(self) -> Self:
        for written in [*self.means.values(), *([self.default] if self.default else [])]:
            frame = read_frame(written)
            if frame is None or not self.fits(frame) or str(frame) != written:
                raise ValueError("default and means must lead to a size that the rule allows")
        return self

    @property
    def rule(self) -> str:
        """What is allowed, in words."""
        words = "".join(f"{word}, or " for word in self.means)
        pixels = f"from {self.min_pixels} to" if self.min_pixels > 1 else "at most"
        return (
            f"{words}WIDTHxHEIGHT with both edges divisible by {self.multiple_of}, "
            f"a ratio between 1:{self.longest_to_shortest} and {self.longest_to_shortest}:1, "
            f"no edge above {self.max_edge} and {pixels} {self.max_pixels} pixels in all"
        )

    def fits(self, frame: Frame) -> bool:
        """Whether the model can draw it."""
        return (
            frame.width % self.multiple_of == 0
            and frame.height % self.multiple_of == 0
            and frame.long <= frame.short * self.longest_to_shortest
            and frame.long <= self.max_edge
            and self.min_pixels <= frame.pixels <= self.max_pixels
        )

    def read(self, value: Any, name: str) -> Scalar:
        """The size, written without leading zeros."""
        if isinstance(value, str):
            written = self.means.get(value.casefold(), value)
            frame = read_frame(written)
            if frame is not None and self.fits(frame):
                return str(frame)
        raise InvalidParameter(name, "invalid_value", f"{name} must be {self.rule}.")

    def reachable(self) -> Iterator[Scalar]:
        """Every size on the grid that fits."""
        edges = range(self.multiple_of, self.max_edge + 1, self.multiple_of)
        frames = (Frame(width, height) for width in edges for height in edges)
        yield from (str(frame) for frame in frames if self.fits(frame))

    def measure(self, value: Scalar) -> int:
        """Its pixels."""
        frame = read_frame(str(value))
        assert frame is not None, "canonical sizes are written as WIDTHxHEIGHT"
        return frame.pixels

    def property_schema(self) -> dict[str, Any]:
        """JSON schema of what a client may send; the finer rule is in the description."""
        words = "|".join([*self.means, r"\d+x\d+"])
        return {"type": "string", "pattern": f"^({words})$", "description": f"Must be {self.rule}."}


Parameter = Annotated[Choice | Integer | Flag | Pixels, Field(discriminator="type")]


class Text(Part):
    """Free text of the customer: measured, sealed, and never among the parameters.

    Lengths are in characters. A text that is not required may be left out by a route that has no field for it.
    """

    about: Words | None = None
    required: bool = False
    max_length: Annotated[int, Field(ge=1, le=100_000)]

    def read(self, value: Any, name: str) -> str:
        """The text as it came; raises InvalidParameter without quoting it."""
        if not isinstance(value, str):
            raise InvalidParameter(name, "invalid_value", f"{name} must be a string.")
        if len(value) > self.max_length:
            message = f"{name} must have at most {self.max_length} characters."
            raise InvalidParameter(name, "invalid_value", message)
        # Half a surrogate pair or a NUL is legal JSON but cannot travel on as text.
        if "\x00" in value or not _is_unicode(value):
            raise InvalidParameter(name, "invalid_value", f"{name} must be valid Unicode text without NUL.")
        if self.required and not value.strip():
            raise InvalidParameter(name, "invalid_value", f"{name} must not be empty.")
        return value

    def property_schema(self) -> dict[str, Any]:
        """JSON schema of what a client may send."""
        return {"type": "string", "maxLength": self.max_length} | ({"minLength": 1} if self.required else {})


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
