"""A model: one file, one object. Gateway, billing and dispatcher each read their slice of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.catalogue import requests, structure
from common.catalogue.base import DIALECTS, Dialect, Milliseconds, Name, Part, Scalar, Words
from common.catalogue.conditions import Parameters, Rule, SingleRoute
from common.catalogue.declared import Declared, Most
from common.catalogue.errors import InvalidParameter
from common.catalogue.parameters import Parameter, Text
from common.catalogue.pricing import Pricing
from common.catalogue.requests import Request
from common.catalogue.routes import Route
from common.catalogue.translations import Translation

PublicId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]


class Input(Part):
    """A medium that can come with a request: its role's fields per dialect, and what is taken."""

    fields: dict[Dialect, tuple[Name, ...]]
    media_types: Annotated[tuple[str, ...], Field(min_length=1)]
    max_bytes: Annotated[int, Field(gt=0)]
    by_url: bool = False
    """Whether it is only taken as an address: not every route could be given its bytes."""
    by_bytes: bool = False
    """Whether an address is fetched before the job begins: not every route could be given one."""


class Mode(Part):
    """A way to use the model, known by the inputs that are present: the fewest and the most of each role."""

    title: Words
    inputs: dict[str, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1, le=64)]]] = Field(
        default_factory=dict
    )

    def takes(self, present: Mapping[str, int]) -> bool:
        """Whether exactly such inputs make this mode."""
        return set(present) <= set(self.inputs) and all(
            fewest <= present.get(role, 0) <= most for role, (fewest, most) in self.inputs.items()
        )

    @property
    def wants(self) -> str:
        """Its inputs in words."""
        return (
            " and ".join(
                f"{few}-{many} {role}" if few != many else f"{few} {role}"
                for role, (few, many) in self.inputs.items()
            )
            or "no input"
        )


class PollStep(Part):
    """From this age of an attempt on, how often to ask."""

    from_age_ms: Annotated[int, Field(ge=0)]
    every_ms: Milliseconds


class Model(Part):
    """Everything known about one model. All that is said of a request is in ``Request``."""

    id: PublicId
    kind: Literal["image", "video"]
    title: Words
    description: Words
    created: Annotated[int, Field(gt=1_400_000_000)]
    """Unix seconds."""
    owned_by: str
    aliases: tuple[PublicId, ...] = ()
    deadline_ms: Milliseconds
    hedge_after_ms: Milliseconds | None = None
    """How long a provider that answers with the outputs may be silent until the next route is asked beside it."""
    ambiguous_failover: bool = True
    """Whether a submit without an answer may go on to another provider (at the risk of one extra generation)."""
    output_media_types: Annotated[tuple[str, ...], Field(min_length=1)]

    modes: Annotated[dict[str, Mode], Field(min_length=1)]
    inputs: dict[str, Input] = Field(default_factory=dict)
    texts: dict[str, Text] = Field(default_factory=dict)
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    translations: tuple[Translation, ...] = ()
    tolerated: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    """Fields of older clients that have no effect, with the values that ask for what happens anyway."""
    rules: tuple[Rule, ...] = ()
    declared: Declared | None = None
    price: Pricing
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    polling: tuple[PollStep, ...] = ()
    single_route: tuple[SingleRoute, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        structure.verify(self)
        return self

    # --- the gateway's slice

    def request(
        self, dialect: Dialect, fields: Mapping[str, Any], inputs: Mapping[str, int] | Iterable[str] = ()
    ) -> Request:
        """What the client asks for, in canonical form; raises InvalidParameter.

        ``fields`` are the model's own (not ``model``, ``response_format``, ``callback_url`` and other fields that
        the gateway itself reads), ``inputs`` the roles of the media that came with them, counted.
        """
        return requests.read(self, dialect, fields, inputs)

    def input_role(self, dialect: Dialect, field: str) -> str | None:
        """The role of a medium that came in this field, None if the field is no input."""
        return next((role for role, known in self.inputs.items() if field in known.fields.get(dialect, ())), None)

    def mode_of(self, present: Counter[str], dialect: Dialect) -> str:
        """The mode that takes exactly these inputs; raises InvalidParameter."""
        for name, mode in self.modes.items():
            if mode.takes(present):
                return name
        for role in present:
            if role not in self.inputs:
                raise InvalidParameter(None, "invalid_value", "This model does not take such an input.")
        wanted = "; or ".join(mode.wants for mode in self.modes.values())
        lone = min(present, default=None)
        field = None if lone is None else self.inputs[lone].fields.get(dialect, (lone,))[0]
        raise InvalidParameter(field, "invalid_value", f"This model takes {wanted}.")

    @cached_property
    def vocabulary(self) -> dict[Dialect, dict[str, str]]:
        """For each dialect, what each field a client may send means: a parameter, a text or a tolerated field."""
        return {dialect: structure.vocabulary(self, dialect) for dialect in DIALECTS}

    def name_in(self, dialect: Dialect, canonical: str, used: Mapping[str, str]) -> str:
        """The name to blame: the one the client used, else the first one of the dialect."""
        names = self.parameters[canonical].names.get(dialect, (canonical,))
        return used.get(canonical, names[0])

    def parameters_schema(self, dialect: Dialect, language: Literal["en", "ja"] = "en") -> dict[str, Any]:
        """JSON schema of the fields a client may send in this dialect, inputs as URLs."""
        return structure.parameters_schema(self, dialect, language)

    # --- billing's slice

    @cached_property
    def seed_prices(self) -> dict[str, int]:
        """First price of each SKU in micro-dollars per unit."""
        return {f"{self.id}:{key}": price for key, price in self.price.seed_microusd.items()}

    def sku(self, mode: str, parameters: Parameters) -> str:
        """What these canonical parameters are sold as in this mode."""
        return f"{self.id}:{self.price.key(mode, parameters, self.parameters)}"

    # --- the dispatcher's slice

    def most(self, parameters: Parameters) -> Most | None:
        """What an output may be at most for the price that was quoted, where that rests on the customer's word."""
        return None if self.declared is None else self.declared.most(parameters)

    def routes_for(self, mode: str, parameters: Parameters, lossy: Iterable[str] = ()) -> tuple[Route, ...]:
        """The routes that can carry it, in order of preference."""
        lost = frozenset(lossy)
        return tuple(route for route in self.routes if route.carries(mode, parameters, lost))

    def poll_after_ms(self, age_ms: int) -> int:
        """How long to wait before asking about an attempt of this age again."""
        started = [step.every_ms for step in self.polling if step.from_age_ms <= age_ms]
        assert started, "a model with an asynchronous route polls from age 0"
        return started[-1]
