"""What each provider's adapter must make of everything its stand-in can do; one file per provider and protocol.

A file has ``SPOKEN``. A new provider's file is found by itself, and a scenario of a stand-in that is in no table
fails the test: so no way to fail is left without a class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from dispatcher.domain.jobs import Input

COMMON: Mapping[str, str] = {
    "429": "rate_limited",
    "429_retry_after": "rate_limited",
    "quota": "quota",
    "auth": "auth",
    "policy_input": "content_policy",
    "policy_output": "content_policy",
    "invalid": "invalid_request",
    "404": "auth",
    "500": "unavailable",
    "503": "unavailable",
    "hang": "ambiguous",
    "hang_after": "ambiguous",
    "reset": "ambiguous",
    "reset_after": "ambiguous",
    "refuse": "unavailable",
    "empty_output": "failed_generation",
    "accepted_then_failed": "failed_generation",
    "never_finishes": "pending",
    "slow": "ok",
    "ok": "ok",
}
"""``ok``: outputs; ``pending``: still being made when the test loses patience."""

LINKED: Mapping[str, str] = dict.fromkeys(
    ("truncated_output", "slow_output", "expired_url", "html_output", "oversized_output"), "ok"
)
"""Outputs that come as links are judged by storage, which fetches them."""

TAKES_TASKS: Mapping[str, str] = {**COMMON, **LINKED, "bad_json": "ambiguous"}
"""A yes without an id: something may be running, but nobody can ask about it."""

ANSWERS_WITH_OUTPUTS: Mapping[str, str] = {
    **COMMON,
    # The answer itself is the result here: one that breaks off or never ends may well be billed.
    "never_finishes": "ambiguous",
    "accepted_then_failed": "unavailable",
    "bad_json": "failed_generation",
    "html_output": "failed_generation",
    "truncated_output": "failed_generation",
    "oversized_output": "failed_generation",
}


@dataclass(frozen=True)
class Spoken:
    """One provider: an order it would take, and the class (or word) that each scenario must give."""

    provider: str
    protocol: str
    upstream_model: str
    fields: Mapping[str, Any]
    expected: Mapping[str, str]
    inputs: tuple[Input, ...] = ()
    asks_again: bool = field(default=True)
    """Whether it takes tasks that are asked about."""


SPOKEN: Mapping[str, Spoken] = {
    module.name: import_module(f"{__name__}.{module.name}").SPOKEN for module in iter_modules(__path__)
}
"""By the name of its file: a provider with two protocols has two."""
