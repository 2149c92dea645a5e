"""From the flat names of form parts to the structure they stand for: ``a[b]`` is an object, ``a[]`` a list."""

import re
from collections.abc import Iterable
from typing import Any

from common.catalogue import speakable
from gateway.api.reading.limits import NAME_CHARS
from gateway.errors import InvalidRequest

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_MAX_STEPS = 8


def unflatten(parts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of a form as a JSON client would have sent them, values as text.

    A repeated ``a[][b]`` begins the list's next object. Raises InvalidRequest for names that contradict.
    """
    root: dict[str, Any] = {}
    for name, value in parts:
        _place(root, _steps(name), value)
    return root


def _steps(name: str) -> list[str]:
    match = _NAME.match(name)
    if match is None or len(name) > NAME_CHARS:
        raise _odd(None)
    steps = [match[1], *_STEP.findall(match[2])]
    if len(steps) > _MAX_STEPS:
        raise InvalidRequest(f"A form field may be nested {_MAX_STEPS} deep at most.")
    return steps


def _place(root: dict[str, Any], steps: list[str], value: str) -> None:
    """Walk to where the last step belongs, making what is missing on the way; an empty step is a list."""
    here: Any = root
    for at, step in enumerate(steps):
        rest = steps[at + 1 :]
        fresh: Any = value if not rest else [] if rest[0] == "" else {}
        if step == "":
            if not isinstance(here, list):
                raise _odd(steps[0])
            if not rest or not here or not _has_room(here[-1], rest):
                here.append(fresh)
            here = here[-1]
        else:
            if not isinstance(here, dict):
                raise _odd(steps[0])
            if step in here and not rest:
                raise _odd(steps[0])
            here = here.setdefault(step, fresh)


def _has_room(last: Any, rest: list[str]) -> bool:
    """Whether the list's last object lacks this field still, so that it belongs to it."""
    here = last
    for at, step in enumerate(rest):
        if step == "":
            return isinstance(here, list)
        if not isinstance(here, dict):
            return False
        if step not in here:
            return True
        if at == len(rest) - 1:
            return False
        here = here[step]
    return False


def _odd(name: str | None) -> InvalidRequest:
    return InvalidRequest(
        "A form field is given twice or contradicts another, or has a name that cannot be read.",
        param=name if name is not None and speakable(name) else None,
    )
