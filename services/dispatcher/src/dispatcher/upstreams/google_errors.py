"""Google's error envelope (``google.rpc.Status``): what its status, details and words mean.

The statuses are coarse: a wrong key of the Gemini API is an invalid argument, an empty account is exhausted like a
minute's rate, and a rate's text speaks of billing. The details tell them apart, and words count last.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.upstreams import classify
from dispatcher.upstreams.client import MAX_RETRY_AFTER_S, Answer

_BY_REASON: Mapping[str, FailureClass] = {
    "API_KEY_INVALID": FailureClass.AUTH,
    "API_KEY_EXPIRED": FailureClass.AUTH,
    "API_KEY_SERVICE_BLOCKED": FailureClass.AUTH,
    "SERVICE_DISABLED": FailureClass.AUTH,
    "CONSUMER_SUSPENDED": FailureClass.AUTH,
    "BILLING_DISABLED": FailureClass.QUOTA,
}
_BY_STATUS: Mapping[str, FailureClass] = {
    "INVALID_ARGUMENT": FailureClass.INVALID_REQUEST,
    "OUT_OF_RANGE": FailureClass.INVALID_REQUEST,
    # Our region, or a project that is not set up: the request is not at fault.
    "FAILED_PRECONDITION": FailureClass.AUTH,
    "UNAUTHENTICATED": FailureClass.AUTH,
    "PERMISSION_DENIED": FailureClass.AUTH,
    "NOT_FOUND": FailureClass.AUTH,
    "CANCELLED": FailureClass.UNAVAILABLE,
}
_OF_MONEY = ("prepayment", "billing", "credits")


def failed(answer: Answer) -> UpstreamFailed:
    """The failure this answer is, with the pause that its RetryInfo asks for."""
    error = _error(answer.json())
    wish_s = _wish_s(error)
    return UpstreamFailed(
        _class_of(answer.status, error), f"http_{answer.status}", answer.retry_after_s if wish_s is None else wish_s
    )


def _error(parsed: Any) -> Mapping[str, Any]:
    """The error, which may come in a list of one."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else {}


def _class_of(status: int, error: Mapping[str, Any]) -> FailureClass:
    reasons = [known for one in _details(error, "ErrorInfo") if (known := _BY_REASON.get(str(one.get("reason"))))]
    if reasons:
        return reasons[0]
    if status == 429:
        return _exhausted(error)
    if status < 500 and (kind := _BY_STATUS.get(str(error.get("status")))):
        return kind
    return classify.by_status(status)


def _exhausted(error: Mapping[str, Any]) -> FailureClass:
    """A day's quota or the money is gone for long, a minute's rate is not."""
    violations = [one for quota in _details(error, "QuotaFailure") for one in _objects(quota.get("violations"))]
    if any("PerDay" in str(one.get("quotaId")) for one in violations):
        return FailureClass.QUOTA
    if violations or _wish_s(error) is not None:
        return FailureClass.RATE_LIMITED
    said = str(error.get("message")).lower()
    return FailureClass.QUOTA if any(word in said for word in _OF_MONEY) else FailureClass.RATE_LIMITED


def _wish_s(error: Mapping[str, Any]) -> float | None:
    """Seconds, from ``"23s"``."""
    for one in _details(error, "RetryInfo"):
        try:
            wish_s = float(str(one.get("retryDelay")).removesuffix("s"))
        except ValueError:
            continue
        if math.isfinite(wish_s) and wish_s > 0:
            return min(wish_s, MAX_RETRY_AFTER_S)
    return None


def _details(error: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (one for one in _objects(error.get("details")) if str(one.get("@type")).endswith(f".{kind}"))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
