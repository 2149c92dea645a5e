"""Statements about canonical parameters: rules between them, and reasons for exceptions."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from common.catalogue.base import Part, Scalar

Parameters = Mapping[str, Scalar]
Values = Annotated[tuple[Scalar, ...], Field(min_length=1)]


class Condition(Part):
    """True in one of ``modes`` (in any, if none is named), when every parameter of ``when`` has one of its values and
    every one of ``given`` is present.
    """

    modes: tuple[str, ...] = ()
    when: dict[str, Values] = Field(default_factory=dict)
    given: tuple[str, ...] = ()

    def holds(self, mode: str, parameters: Parameters) -> bool:
        """Whether a request in this mode with these parameters meets it."""
        return (
            (not self.modes or mode in self.modes)
            and all(parameters.get(name) in values for name, values in self.when.items())
            and all(name in parameters for name in self.given)
        )

    @property
    def subjects(self) -> tuple[str, ...]:
        """The parameters it speaks of, the first one being the one to blame."""
        return (*self.when, *self.given)


class Rule(Condition):
    """Where the condition holds, the parameters of ``then`` must have one of these values."""

    then: Annotated[dict[str, Values], Field(min_length=1)]

    def broken_by(self, mode: str, parameters: Parameters) -> bool:
        """Whether a request in this mode with these parameters breaks it."""
        return self.holds(mode, parameters) and any(
            parameters.get(name) not in values for name, values in self.then.items()
        )


class SingleRoute(Condition):
    """Requests that fewer than two routes can carry, and why that is accepted."""

    because: Annotated[str, Field(min_length=20)]
