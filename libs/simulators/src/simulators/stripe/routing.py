"""Which function answers which call."""

import re
from collections.abc import Callable
from typing import Any

from simulators.stripe.store import Object
from simulators.stripe.world import World

Operation = Callable[..., Object]
TABLE: list[tuple[str, re.Pattern[str], str, Operation]] = []


def operation(method: str, path: str) -> Callable[[Operation], Operation]:
    """Answer `method path` with a function of the world, the parameters and what the path names."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9_]+)", path))

    def register(answer: Operation) -> Operation:
        TABLE.append((method, pattern, f"{method} {path}", answer))
        return answer

    return register


def find(method: str, path: str) -> tuple[str, Operation, dict[str, Any]] | None:
    """The operation's name, its function and what the path names; None for a path nobody answers."""
    for known, pattern, name, answer in TABLE:
        match = pattern.fullmatch(path)
        if match is not None and known == method:
            return name, answer, match.groupdict()
    return None


__all__ = ["TABLE", "Object", "Operation", "World", "find", "operation"]
