"""What hosted models take, as data: a field's kind, its bounds, its default. fal and Replicate check by these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Wrong(Exception):  # noqa: N818 - it reads as what happened
    """One field is not as the model wants it; the value is not repeated."""

    def __init__(self, field: str, message: str, kind: str) -> None:
        super().__init__(message)
        self.field, self.message, self.kind = field, message, kind


class Input(Protocol):
    """One field."""

    @property
    def required(self) -> bool:
        """Whether a request must have it."""

    @property
    def default(self) -> Any:
        """Its value when it is not sent."""

    def check(self, name: str, value: Any) -> None:
        """Raise Wrong unless the value will do."""


@dataclass(frozen=True, slots=True)
class Text:
    """Free text."""

    longest: int = 32_000
    required: bool = False
    default: Any = None

    def check(self, name: str, value: Any) -> None:
        """A text that is not empty nor too long."""
        if not isinstance(value, str) or not value:
            raise Wrong(name, "Input should be a valid string", "string_type")
        if len(value) > self.longest:
            raise Wrong(name, f"Input should have at most {self.longest} characters", "string_too_long")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    of: tuple[Any, ...]
    default: Any = None
    required: bool = False

    def check(self, name: str, value: Any) -> None:
        """One of them, of the same type: "5" is not 5."""
        if not any(value == one and type(value) is type(one) for one in self.of):
            raise Wrong(name, f"Input should be one of: {', '.join(map(str, self.of))}", "one_of")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int
    most: int
    default: Any = None
    required: bool = False

    def check(self, name: str, value: Any) -> None:
        """A number within the bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(name, "Input should be a valid integer", "int_type")
        if value < self.least:
            raise Wrong(name, f"Input should be at least {self.least}", "greater_than_equal")
        if value > self.most:
            raise Wrong(name, f"Input should be at most {self.most}", "less_than_equal")


@dataclass(frozen=True, slots=True)
class Number:
    """A number, whole or not."""

    least: float
    most: float
    default: Any = None
    required: bool = False

    def check(self, name: str, value: Any) -> None:
        """A number within the bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Wrong(name, "Input should be a valid number", "float_type")
        if not self.least <= value <= self.most:
            raise Wrong(name, f"Input should be from {self.least:g} to {self.most:g}", "less_than_equal")


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    default: Any = None
    required: bool = False

    def check(self, name: str, value: Any) -> None:
        """A real boolean: "true" is a text."""
        if not isinstance(value, bool):
            raise Wrong(name, "Input should be a valid boolean", "bool_type")


@dataclass(frozen=True, slots=True)
class Medium:
    """A file, by URL or data URI."""

    required: bool = False
    default: Any = None

    def check(self, name: str, value: Any) -> None:
        """An address."""
        if not isinstance(value, str) or not value.startswith(("https://", "http://", "data:")):
            raise Wrong(name, "Input should be a URL or a data URI", "string_type")


@dataclass(frozen=True, slots=True)
class Media:
    """Some files."""

    most: int
    required: bool = False
    default: Any = None

    def check(self, name: str, value: Any) -> None:
        """A list of addresses, not empty where it is required, not too long."""
        if not isinstance(value, list) or (self.required and not value):
            raise Wrong(name, "Input should be a list with at least 1 item", "sequence_too_short")
        if len(value) > self.most:
            raise Wrong(name, f"List should have at most {self.most} items", "sequence_too_long")
        for one in value:
            Medium().check(name, one)


def read(fields: Mapping[str, Input], body: Mapping[str, Any]) -> dict[str, Any]:
    """All values, defaults filled in. Raises Wrong for the first that will not do, and for fields nobody knows."""
    if unknown := body.keys() - fields.keys():
        raise Wrong(min(unknown), "Extra inputs are not permitted", "extra_forbidden")
    values = {}
    for name, field in fields.items():
        value = body.get(name)
        if value is None:
            if field.required:
                raise Wrong(name, "Field required", "missing")
            value = field.default
        else:
            field.check(name, value)
        values[name] = value
    return values
