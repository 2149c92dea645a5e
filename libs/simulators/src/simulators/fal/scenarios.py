"""What fal's dials can do, and fal's two shapes of errors."""

from collections.abc import Mapping
from typing import Any

from simulators.exchange import Refused

SCENARIOS = {
    "ok": "the request is queued and has its result after render_ms",
    "slow": "the same, but the submit answers after slow_ms more",
    "429": "too many concurrent requests",
    "429_retry_after": "the same with Retry-After: retry_after_s",
    "quota": "403, the account is locked for want of balance",
    "auth": "401, the key is wrong",
    "policy_input": "COMPLETED, the result is 422 content_policy_violation on the prompt",
    "policy_output": "COMPLETED, the result is 422 content_policy_violation on the output",
    "invalid": "COMPLETED, the result is 422 for a parameter",
    "404": "404, no such application",
    "500": "500 at once",
    "503": "503 at once",
    "hang": "never answers; nothing queued",
    "hang_after": "queued and run, the submit never answers",
    "reset": "closes the connection with RST; nothing queued",
    "reset_after": "queued and run, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "COMPLETED, the result is 500; without x-fal-no-retry only after ten more tries",
    "never_finishes": "stays IN_PROGRESS",
    "bad_json": "200 and half a JSON document (the request is queued)",
    "truncated_output": "COMPLETED; the links announce the whole and send half",
    "slow_output": "COMPLETED; the links drip",
    "expired_url": "COMPLETED; the links are already expired",
    "html_output": "COMPLETED; the links show an HTML page",
    "empty_output": "COMPLETED without any output",
    "oversized_output": "COMPLETED; the links send oversized_bytes",
}
DOCS = "https://docs.fal.ai/errors#"


def platform(status: int, detail: str, error_type: str = "", headers: Mapping[str, str] | None = None) -> Refused:
    """An error of fal itself."""
    body: dict[str, Any] = {"detail": detail}
    extra = dict(headers or {})
    if error_type:
        body["error_type"] = extra["x-fal-error-type"] = error_type
    return Refused(status, body, extra)


def model_error(loc: list[str | int], message: str, kind: str, **ctx: Any) -> dict[str, Any]:
    """One item of a model's `detail`; what the caller sent is not repeated."""
    item: dict[str, Any] = {"loc": loc, "msg": message, "type": kind, "url": DOCS + kind}
    return item | ({"ctx": ctx} if ctx else {})


def early(scenario: str, retry_after_s: float) -> Refused | None:
    """What is refused before anything is queued."""
    match scenario:
        case "429" | "429_retry_after":
            headers = {"retry-after": f"{retry_after_s:g}"} if scenario != "429" else None
            return platform(429, "Reached concurrent requests limit of 10", "concurrent_requests_limit", headers)
        case "quota":
            return platform(403, "User is locked. Reason: Exhausted balance. Top up your balance to continue.")
        case "auth":
            return platform(401, "Cannot access application. Authentication is required to access this application.")
        case "404":
            return platform(404, "Application not found")
        case "500":
            return platform(500, "Internal Server Error", "internal_error")
        case "503":
            return platform(503, "Service Unavailable", "service_unavailable")
    return None


_POLICY = "The content could not be processed because it contained material flagged by a content checker."


def outcome(scenario: str) -> tuple[int, list[dict[str, Any]]] | None:
    """Status and `detail` of a run that fails, or None when it succeeds."""
    match scenario:
        case "policy_input":
            return 422, [model_error(["body", "prompt"], _POLICY, "content_policy_violation")]
        case "policy_output":
            return 422, [model_error(["body"], _POLICY, "content_policy_violation")]
        case "invalid":
            return 422, [model_error(["body", "duration"], "Input should be one of the choices", "one_of")]
        case "accepted_then_failed":
            return 500, [model_error(["body"], "Internal server error", "internal_server_error")]
    return None
