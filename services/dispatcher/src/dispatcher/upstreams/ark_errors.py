"""What Ark's error codes mean, for pictures and videos alike."""

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.upstreams import classify, tasks
from dispatcher.upstreams.client import Answer

_BY_CODE: tuple[tuple[str, FailureClass], ...] = (
    ("SensitiveContent", FailureClass.CONTENT_POLICY),
    ("PolicyViolation", FailureClass.CONTENT_POLICY),
    ("QuotaExceeded", FailureClass.QUOTA),
    ("SetLimitExceeded", FailureClass.QUOTA),
    ("AccountOverdue", FailureClass.QUOTA),
    ("ServerOverloaded", FailureClass.UNAVAILABLE),
    ("ModelLoading", FailureClass.UNAVAILABLE),
    ("RateLimit", FailureClass.RATE_LIMITED),
    ("InvalidEndpoint", FailureClass.AUTH),
    ("ModelNotOpen", FailureClass.AUTH),
    ("AccessDenied", FailureClass.AUTH),
    ("Authentication", FailureClass.AUTH),
    ("InvalidParameter", FailureClass.INVALID_REQUEST),
    ("MissingParameter", FailureClass.INVALID_REQUEST),
)
"""First match wins, on a part of the code: Ark appends details with dots."""


def class_of(error: object) -> FailureClass | None:
    """The class of an error object; None when its code says nothing."""
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(code, str):
        return None
    return next((kind for part, kind in _BY_CODE if part in code), None)


def failed(answer: Answer) -> UpstreamFailed:
    """The failure that an answer is whose status says no."""
    kind = class_of(answer.object().get("error")) if answer.status < 500 else None
    return classify.failed(answer, kind)


def ended(error: object, code: str) -> UpstreamFailed:
    """The failure of what was begun and did not succeed: refused, or just failed."""
    return tasks.ended(class_of(error), code)
