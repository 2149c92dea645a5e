"""What Model Studio's dials can do, and its flat errors."""

from collections.abc import Mapping
from typing import Any

from simulators.exchange import Refused

SCENARIOS = {
    "ok": "the task is PENDING and SUCCEEDED after render_ms",
    "slow": "the same, but the submit answers after slow_ms more",
    "429": "Throttling.RateQuota",
    "429_retry_after": "the same with Retry-After: retry_after_s",
    "allocation": "429 Throttling.AllocationQuota: the quota is used up",
    "quota": "400 Arrearage",
    "auth": "401 InvalidApiKey",
    "policy_input": "400 DataInspectionFailed",
    "policy_output": "FAILED with DataInspectionFailed, at HTTP 200",
    "green_net": "FAILED with another code, the text says that the green net check failed",
    "invalid": "400 InvalidParameter",
    "invalid_late": "FAILED with InvalidURL, at HTTP 200",
    "404": "404 ModelNotFound",
    "500": "500 InternalError",
    "503": "503 ServiceUnavailable",
    "hang": "never answers; nothing begun",
    "hang_after": "begun and run, the submit never answers",
    "reset": "closes the connection with RST; nothing begun",
    "reset_after": "begun and run, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "FAILED with InternalError, at HTTP 200",
    "forgotten": "UNKNOWN, as tasks of another region or past their day",
    "suspended": "stays SUSPENDED",
    "never_finishes": "stays RUNNING",
    "bad_json": "200 and half a JSON document (the task is begun)",
    "truncated_output": "SUCCEEDED; the link announces the whole and sends half",
    "slow_output": "SUCCEEDED; the link drips",
    "expired_url": "SUCCEEDED; the link is already expired",
    "html_output": "SUCCEEDED; the link shows an HTML page",
    "empty_output": "SUCCEEDED without video_url",
    "oversized_output": "SUCCEEDED; the link sends oversized_bytes",
}
ENDS: Mapping[str, tuple[str, str]] = {
    "policy_output": ("DataInspectionFailed", "Output data may contain inappropriate content."),
    "green_net": ("InternalError.Algo", "Green net check failed."),
    "invalid_late": ("InvalidURL", "The media could not be downloaded."),
    "accepted_then_failed": ("InternalError", "An internal error has occured during execution."),
}
"""Code and message of a task that fails."""


class Flat(Refused):
    """An error as Model Studio writes it: flat, the request's id among the fields."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, {"code": code, "message": message}, headers)


def identify(body: Any, request_id: str) -> Any:
    """The same body with the request's id."""
    return {**body, "request_id": request_id} if isinstance(body, dict) else body


def early(scenario: str, retry_after_s: float) -> Refused | None:
    """What is refused before a task is begun."""
    match scenario:
        case "429" | "429_retry_after":
            headers = {"retry-after": f"{retry_after_s:g}"} if scenario != "429" else None
            return Flat(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.", headers)
        case "allocation":
            return Flat(
                429, "Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit."
            )
        case "quota":
            return Flat(400, "Arrearage", "Access denied, please make sure your account is in good standing.")
        case "auth":
            return Flat(401, "InvalidApiKey", "Invalid API-key provided.")
        case "policy_input":
            return Flat(400, "DataInspectionFailed", "Input data may contain inappropriate content.")
        case "invalid":
            return Flat(400, "InvalidParameter", "duration is out of range")
        case "404":
            return Flat(404, "ModelNotFound", "Model can not be found.")
        case "500":
            return Flat(500, "InternalError", "An internal error has occured, please try again later.")
        case "503":
            return Flat(503, "ServiceUnavailable", "The service is temporarily unavailable.")
    return None
