"""What fal's models answer: outputs, and the reasons why there are none."""

from collections.abc import Mapping
from typing import Any

from dispatcher.domain.failures import FailureClass
from dispatcher.domain.jobs import Link
from dispatcher.upstreams import media

_REFUSALS = frozenset({"content_policy_violation"})
_TROUBLE = frozenset(
    {
        "internal_server_error",
        "downstream_service_error",
        "downstream_service_unavailable",
        "generation_timeout",
        "no_media_generated",
    }
)
_NEVER_RAN = ("request_timeout", "startup_timeout", "runner_")


def class_of_detail(detail: object, status: int) -> FailureClass | None:
    """The class of a model's ``detail`` list; None when it is a plain text or missing.

    A refusal anywhere in the list makes the whole a refusal. Types that are not known trouble are complaints
    about the input, of which there are dozens; but a server error is never the input's fault.
    """
    if not isinstance(detail, list):
        return None
    kinds = {str(item.get("type", "")) for item in detail if isinstance(item, dict)}
    if not kinds:
        return None
    if kinds & _REFUSALS or any("policy" in kind for kind in kinds):
        return FailureClass.CONTENT_POLICY
    if kinds & _TROUBLE or status >= 500:
        return FailureClass.FAILED_GENERATION
    return FailureClass.INVALID_REQUEST


def class_of_run(error_type: object) -> FailureClass:
    """The class of a platform's ``error_type``: it never started, or it went wrong."""
    if isinstance(error_type, str):
        if "policy" in error_type:
            return FailureClass.CONTENT_POLICY
        if error_type.startswith(_NEVER_RAN):
            return FailureClass.UNAVAILABLE
    return FailureClass.FAILED_GENERATION


def blanked(result: Mapping[str, Any]) -> bool:
    """True when a safety filter blanked at least one picture: a refusal dressed as success."""
    flags = result.get("has_nsfw_concepts")
    return isinstance(flags, list) and True in flags


def links(result: Mapping[str, Any]) -> tuple[Link, ...]:
    """The files of a result, in order: ``images`` or ``video``, without pictures that a safety filter blanked."""
    images = result.get("images")
    files = [*(images if isinstance(images, list) else ()), result.get("video")]
    flags = result.get("has_nsfw_concepts")
    if isinstance(flags, list):
        files = [one for place, one in enumerate(files) if not (place < len(flags) and flags[place] is True)]
    found = [media.link(one.get("url"), one.get("content_type")) for one in files if isinstance(one, dict)]
    return tuple(link for link in found if link is not None)
