"""What HTTP statuses mean when a provider says nothing more precise."""

from urllib.parse import urlsplit

from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.upstreams.client import Answer

_BY_STATUS: dict[int, FailureClass] = {
    400: FailureClass.INVALID_REQUEST,
    401: FailureClass.AUTH,
    402: FailureClass.QUOTA,
    403: FailureClass.AUTH,
    # An unknown model or endpoint is our configuration's fault, like a wrong key: this route is no good at all.
    404: FailureClass.AUTH,
    413: FailureClass.INVALID_REQUEST,
    415: FailureClass.INVALID_REQUEST,
    422: FailureClass.INVALID_REQUEST,
    429: FailureClass.RATE_LIMITED,
}


def by_status(status: int) -> FailureClass:
    """The class of a status without a telling code; everything unforeseen counts as unavailable."""
    return _BY_STATUS.get(status, FailureClass.UNAVAILABLE)


def failed(answer: Answer, kind: FailureClass | None = None) -> UpstreamFailed:
    """The failure this answer is, with the provider's wish for peace if it has one."""
    return UpstreamFailed(kind or by_status(answer.status), f"http_{answer.status}", answer.retry_after_s)


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of a URL, in lower case; empty when it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if not parts.scheme or not parts.hostname:
        return ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")
