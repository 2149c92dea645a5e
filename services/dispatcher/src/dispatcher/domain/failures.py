"""How an upstream call can fail, and what each way means for the job, the route and the breaker.

An upstream's own words end in its adapter: they may quote the customer's prompt. What travels on is a class and a
code of ours.
"""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """The classes every adapter maps its provider's answers to."""

    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    AMBIGUOUS = "ambiguous"
    FAILED_GENERATION = "failed_generation"

    @property
    def final(self) -> bool:
        """True when no other host may be asked: a refusal is never evaded, a bad request is bad everywhere."""
        return self in (FailureClass.CONTENT_POLICY, FailureClass.INVALID_REQUEST)

    @property
    def route_is_well(self) -> bool:
        """True when the failure is the request's: the provider answered as it should."""
        return self.final


UNKNOWN_THERE = "http_404"
"""The code of an answer that says: there is no such model or endpoint."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt's end without a result. ``code`` is ours and short; ``retry_after_s`` the provider's wish."""

    kind: FailureClass
    code: str
    retry_after_s: float | None = None

    @property
    def concerns_key(self) -> bool:
        """Whether every model would fail with this key, not only this one: it is refused, or its account is empty.

        A model or endpoint that is unknown (404) is refused to one route only.
        """
        return self.kind is FailureClass.QUOTA or (self.kind is FailureClass.AUTH and self.code != UNKNOWN_THERE)


class UpstreamFailed(Exception):  # noqa: N818 - the fact an adapter reports, caught by the runner
    """The upstream did not deliver; the failure says how."""

    def __init__(self, kind: FailureClass, code: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{kind}: {code}")
        self.failure = Failure(kind, code, retry_after_s)


MESSAGES: dict[str, str] = {
    "content_policy_violation": "The request or its result was refused by the model's safety policy.",
    "invalid_request": "The model refused these parameters or inputs.",
    "upstream_unavailable": "No provider of this model could take the request. Nothing was charged.",
    "deadline_exceeded": "The result was not ready within the model's deadline. Nothing was charged.",
    "generation_failed": "The model could not produce a result. Nothing was charged.",
}
"""What the customer reads for each code the dispatcher ends a job with."""


def verdict_code(failure: Failure | None) -> str:
    """The customer's code for a job whose last failure this is; None means no route was there to try."""
    if failure is None:
        return "upstream_unavailable"
    match failure.kind:
        case FailureClass.CONTENT_POLICY:
            return "content_policy_violation"
        case FailureClass.INVALID_REQUEST:
            return "invalid_request"
        case FailureClass.FAILED_GENERATION:
            return "generation_failed"
        case _:
            return "upstream_unavailable"
