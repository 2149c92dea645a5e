"""Stripe's requests: forms whose names are paths, such as `line_items[0][price_data][currency]`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from simulators.stripe.errors import invalid, missing_param

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_MOST_PARAMS = 1_000


def parse(text: str) -> dict[str, Any]:
    """The nested parameters of a form or a query."""
    params: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=_MOST_PARAMS)
    except ValueError:
        raise invalid("The request's form could not be read.") from None
    for name, value in pairs:
        match = _NAME.match(name)
        if match is None:
            raise invalid(f"Invalid parameter name: {name}")
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        _put(params, path, value)
    return {name: _listed(value) for name, value in params.items()}


def _put(into: dict[str, Any], path: list[str], value: str) -> None:
    for place, part in enumerate(path[:-1]):
        key = part or str(len(into))
        if path[place + 1] == "" and place + 2 == len(path):  # expand[]=a&expand[]=b
            into = into.setdefault(key, {})
            if not isinstance(into, dict):
                raise invalid(f"Invalid parameter: {path[0]}", path[0])
            into[str(len(into))] = value
            return
        into = into.setdefault(key, {})
        if not isinstance(into, dict):
            raise invalid(f"Invalid parameter: {path[0]}", path[0])
    into[path[-1]] = value


def _listed(value: Any) -> Any:
    """Objects whose keys count from 0 are lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(one) for key, one in value.items()}
    if inner and sorted(inner) == sorted(str(number) for number in range(len(inner))):
        return [inner[str(number)] for number in range(len(inner))]
    return inner


def text(params: dict[str, Any], name: str) -> str:
    """A required text."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise missing_param(name)
    return value


def integer(params: dict[str, Any], name: str, default: int | None = None) -> int:
    """A whole number; without a default it is required."""
    value = params.get(name)
    if value is None:
        if default is None:
            raise missing_param(name)
        return default
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}", value):
        raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
    return int(value)


def boolean(params: dict[str, Any], name: str, *, default: bool = False) -> bool:
    """True or false, as Stripe spells them."""
    value = params.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise invalid(f"Invalid boolean: {value}", name)
    return bool(value == "true")


def choice(params: dict[str, Any], name: str, known: tuple[str, ...], default: str | None = None) -> str:
    """One of a few words."""
    value = params.get(name, default)
    if value is None:
        raise missing_param(name)
    if value not in known:
        raise invalid(f"Invalid {name}: must be one of {', '.join(known)}", name)
    return str(value)


def metadata(params: dict[str, Any], before: dict[str, str] | None = None) -> dict[str, str]:
    """Metadata merged over what was there; an empty value removes its key, an empty string all of them."""
    given = params.get("metadata")
    if given is None:
        return dict(before or {})
    if given == "":
        return {}
    if isinstance(given, list):
        given = {str(place): value for place, value in enumerate(given)}
    merged = {**(before or {}), **given}
    return {key: str(value) for key, value in merged.items() if value != ""}
