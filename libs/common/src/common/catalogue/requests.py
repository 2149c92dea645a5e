"""From what a client sent to what is sold and carried."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.catalogue.base import Dialect, Scalar
from common.catalogue.conditions import Rule
from common.catalogue.errors import InvalidParameter

if TYPE_CHECKING:
    from common.catalogue.model import Model

_SPEAKABLE = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that fits its model.

    ``parameters`` are canonical and never free text; ``texts`` are what must be sealed. ``quantity`` is the
    number of units of ``sku`` over all ``outputs``, the same number for each.
    """

    model: str
    mode: str
    parameters: dict[str, Scalar]
    texts: dict[str, str]
    sku: str
    quantity: int
    outputs: int


def read(
    model: "Model", dialect: Dialect, fields: Mapping[str, Any], inputs: Mapping[str, int] | Iterable[str]
) -> Request:
    """The request in canonical form; raises InvalidParameter. A field that is null counts as not sent."""
    sent = {name: value for name, value in fields.items() if value is not None}
    parameters, texts, names = _understand(model, dialect, sent)
    mode = model.mode_of(Counter(inputs), dialect)

    for canonical, text in model.texts.items():
        if text.required and canonical not in texts:
            raise InvalidParameter(canonical, "missing_required_parameter", f"{canonical} is required.")
    for canonical, declared in model.parameters.items():
        if canonical in parameters:
            continue
        if declared.required:
            name = model.name_in(dialect, canonical, {})
            raise InvalidParameter(name, "missing_required_parameter", f"{name} is required.")
        if declared.default is not None:
            parameters[canonical] = declared.default
    for rule in model.rules:
        if rule.broken_by(mode, parameters):
            raise _broken(model.name_in(dialect, (*rule.subjects, *rule.then)[0], names), rule)

    wanted = 1 if model.price.outputs is None else int(parameters.pop(model.price.outputs))
    return Request(
        model=model.id,
        mode=mode,
        parameters=parameters,
        texts=texts,
        sku=model.sku(mode, parameters),
        quantity=model.price.quantity(parameters, wanted),
        outputs=wanted,
    )


def _understand(
    model: "Model", dialect: Dialect, sent: dict[str, Any]
) -> tuple[dict[str, Scalar], dict[str, str], dict[str, str]]:
    """Canonical parameters, texts, and the name the client used for each of them."""
    parameters: dict[str, Scalar] = {}
    texts: dict[str, str] = {}
    names: dict[str, str] = {}
    for translation in model.translations:
        if dialect in translation.dialects:
            for canonical, value in translation.apply(sent).items():
                names[canonical] = translation.field
                parameters[canonical] = model.parameters[canonical].read(value, translation.field)
    vocabulary = model.vocabulary[dialect]
    for name, value in sent.items():
        meaning = vocabulary.get(name)
        if meaning is None:
            raise _unknown(name)
        if meaning in names:
            message = f"{name} says the same as {names[meaning]}; send one of them."
            raise InvalidParameter(name, "invalid_value", message)
        names[meaning] = name
        if meaning in model.texts:
            texts[meaning] = model.texts[meaning].read(value, name)
        elif meaning in model.parameters:
            parameters[meaning] = model.parameters[meaning].read(value, name)
        else:
            _tolerate(model.tolerated[meaning], value, name)
    return parameters, texts, names


def _tolerate(values: tuple[Scalar, ...], value: Any, name: str) -> None:
    """A field without effect may only ask for what happens anyway; forms send it as text."""
    allowed = [str(known).casefold() for known in values]
    if not isinstance(value, str | int | float) or str(value).casefold() not in allowed:
        message = f"{name} is not supported by this model; it may only be: {', '.join(allowed)}."
        raise InvalidParameter(name, "invalid_value", message)


def speakable(name: str) -> bool:
    """Names come from the client: only those that look like names are said back."""
    return _SPEAKABLE.fullmatch(name) is not None


def _unknown(name: str) -> InvalidParameter:
    if not speakable(name):
        return InvalidParameter(None, "unknown_parameter", "The request has a parameter this model does not know.")
    return InvalidParameter(name, "unknown_parameter", f"This model has no parameter {name}.")


def _broken(name: str, rule: Rule) -> InvalidParameter:
    """What the rule demands of the others, without saying what they were."""
    wanted = " and ".join(f"{other} {' or '.join(str(v) for v in values)}" for other, values in rule.then.items())
    if not rule.subjects:
        return InvalidParameter(name, "invalid_value", f"With these inputs, the request needs {wanted}.")
    return InvalidParameter(name, "invalid_value", f"{name} needs, with this value, {wanted}.")
