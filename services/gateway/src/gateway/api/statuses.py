"""From an error's code to what HTTP makes of it, for each family. Nothing else in the system knows a status.

A 5xx is said only when nothing is charged and nothing will be. ``retry`` False tells stock SDKs not to try again
where they would, by themselves, repeat what cannot help.
"""

from dataclasses import dataclass
from typing import Any, Literal

from gateway.errors import (
    AccountNotActive,
    BadSignature,
    GatewayError,
    Gone,
    HeadersTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    JobEndedBadly,
    MethodNotAllowed,
    ModelUnavailable,
    NotFound,
    NotReady,
    OrderRefused,
    PaymentDeclined,
    PaymentsUnavailable,
    RateLimited,
    RequestTimedOut,
    StillRunning,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedBody,
    UriTooLong,
)

Family = Literal["openai", "native"]

INVALID = "invalid_request_error"
SERVER = "server_error"


@dataclass(frozen=True, slots=True)
class Status:
    """One row: status, OpenAI's type, the code to show if not the error's own, and what SDKs shall do."""

    http: int
    type: str
    code: str | None = None
    retry: bool | None = None
    retry_after_s: int | None = None


_BY_ERROR: dict[type[GatewayError], Status] = {
    Unauthenticated: Status(401, INVALID),
    AccountNotActive: Status(403, INVALID),
    InvalidRequest: Status(400, INVALID),
    UnsupportedBody: Status(415, INVALID),
    TooLarge: Status(413, INVALID),
    RequestTimedOut: Status(408, INVALID),
    HeadersTooLarge: Status(431, INVALID),
    UriTooLong: Status(414, INVALID),
    NotFound: Status(404, INVALID),
    MethodNotAllowed: Status(405, INVALID),
    IdempotencyConflict: Status(409, INVALID, retry=False),
    NotReady: Status(409, INVALID, retry=False),
    Gone: Status(410, INVALID),
    BadSignature: Status(403, INVALID),
    RateLimited: Status(429, "requests", "rate_limit_exceeded"),
    Unavailable: Status(503, SERVER, retry_after_s=1),
    ModelUnavailable: Status(503, SERVER, retry=False),
    TimedOut: Status(504, SERVER, retry=False),
    StillRunning: Status(409, INVALID, retry=False),
    OrderRefused: Status(409, INVALID, retry=False),
    PaymentDeclined: Status(402, INVALID, retry=False),
    PaymentsUnavailable: Status(503, SERVER, retry_after_s=2),
}

_BY_JOB_CODE: dict[str, Status] = {
    "insufficient_quota": Status(429, "insufficient_quota", retry=False),
    "spend_cap_reached": Status(429, "insufficient_quota", retry=False),
    "too_many_open_jobs": Status(429, "requests", retry_after_s=2),
    "unknown_key": Status(403, INVALID),
    "accept_expired": Status(503, SERVER, retry_after_s=1),
    "price_unavailable": Status(503, SERVER, retry=False),
    "price_changed": Status(409, INVALID, retry=False),
    "invalid_quote": Status(400, INVALID),
    "account_suspended": Status(403, INVALID),
    "account_closed": Status(403, INVALID),
    "model_unavailable": Status(503, SERVER, retry=False),
    "content_policy_violation": Status(400, "image_generation_user_error", "moderation_blocked"),
    "invalid_request": Status(400, INVALID, "invalid_value"),
    "upstream_unavailable": Status(503, SERVER, retry_after_s=2),
    "generation_failed": Status(502, SERVER, retry=False),
    "output_unavailable": Status(502, SERVER),
    "source_exceeds_declared": Status(400, INVALID),
    "deadline_exceeded": Status(504, SERVER, retry=False),
    "cancelled": Status(409, INVALID, retry=False),
}

_NATIVE_JOB_CODE: dict[str, Status] = {
    "insufficient_quota": Status(402, "insufficient_quota", retry=False),
    "spend_cap_reached": Status(402, "insufficient_quota", retry=False),
    "content_policy_violation": Status(400, INVALID),
}

_UNKNOWN = Status(500, SERVER)


def status_of(error: GatewayError, family: Family) -> Status:
    """What this error is to a client of this family."""
    if isinstance(error, JobEndedBadly):
        native = _NATIVE_JOB_CODE.get(error.code) if family == "native" else None
        return native or _BY_JOB_CODE.get(error.code, Status(502, SERVER, retry=False))
    return _BY_ERROR.get(type(error), _UNKNOWN)


def headers_of(error: GatewayError, status: Status) -> dict[str, str]:
    """What goes along with the envelope."""
    headers = dict(error.headers)
    if status.retry is not None:
        headers["x-should-retry"] = "true" if status.retry else "false"
    if status.retry_after_s is not None:
        headers.setdefault("retry-after", str(status.retry_after_s))
    return headers


def envelope(error: GatewayError, status: Status, request_id: str) -> dict[str, Any]:
    """OpenAI's envelope, and the id to quote to support."""
    # Codes of refusals by rate or quota are those that clients of OpenAI look for.
    code = status.code or error.code
    return {
        "error": {"message": str(error), "type": status.type, "param": error.param, "code": code},
        "request_id": request_id,
    }
