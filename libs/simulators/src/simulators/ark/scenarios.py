"""What Ark's dials can do, and Ark's error envelope.

A picture is answered at once where a task is accepted: what a task ends in, its item says.
"""

from collections.abc import Mapping

from simulators.exchange import Refused

SCENARIOS = {
    "ok": "the task is accepted and succeeds after render_ms",
    "slow": "the same, but the submit answers after slow_ms more",
    "429": "RateLimitExceeded.EndpointRPMExceeded",
    "429_retry_after": "the same with Retry-After: retry_after_s",
    "overloaded": "429 ServerOverloaded",
    "quota": "403 AccountOverdueError",
    "auth": "401 AuthenticationError",
    "policy_input": "400 InputTextSensitiveContentDetected",
    "policy_output": "accepted, ends failed with OutputVideoSensitiveContentDetected",
    "invalid": "400 InvalidParameter",
    "404": "404, model or task not found",
    "500": "InternalServiceError at once",
    "503": "ServiceUnavailable at once",
    "hang": "never answers; no task",
    "hang_after": "the task is made and runs, the submit never answers",
    "reset": "closes the connection with RST; no task",
    "reset_after": "the task is made and runs, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "accepted, ends failed with InternalServiceError",
    "never_finishes": "accepted, stays running until execution_expires_after",
    "bad_json": "200 and half a JSON document (the task is made)",
    "truncated_output": "succeeds; the link announces the whole film and sends half",
    "slow_output": "succeeds; the link drips",
    "expired_url": "succeeds; the link is already expired",
    "html_output": "succeeds; the link shows an HTML page",
    "empty_output": "succeeds without a link",
    "partial_output": "pictures: every second one of a sequence is refused",
    "oversized_output": "succeeds; the link sends oversized_bytes",
}


class Refusal(Refused):
    """Ark's error envelope; the request id is put into the message."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        kind: str = "BadRequest",
        *,
        param: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        error = {"code": code, "message": message, "param": param, "type": kind}
        super().__init__(status, {"error": error}, headers)

    @classmethod
    def invalid(cls, param: str, why: str) -> "Refusal":
        """400: a parameter is wrong."""
        return cls(
            400,
            "InvalidParameter",
            f"The parameter `{param}` specified in the request is not valid: {why}.",
            param=param,
        )

    @classmethod
    def missing(cls, param: str) -> "Refusal":
        """400: a parameter is missing."""
        return cls(400, "MissingParameter", f"The request failed because it is missing `{param}`.", param=param)

    @classmethod
    def no_model(cls) -> "Refusal":
        """404: no such model or endpoint."""
        return cls(
            404, "InvalidEndpointOrModel.NotFound", "The model or endpoint does not exist.", "NotFound", param="model"
        )

    @classmethod
    def no_task(cls, task_id: str) -> "Refusal":
        """404: no such task."""
        return cls(404, "NotFound", f"The task {task_id[:64]} is not found.", "NotFound", param="id")


_RATE = "The request has exceeded the requests-per-minute limit of the endpoint."
_AT_ONCE: Mapping[str, tuple[int, str, str, str]] = {
    "429": (429, "RateLimitExceeded.EndpointRPMExceeded", _RATE, "TooManyRequests"),
    "429_retry_after": (429, "RateLimitExceeded.EndpointRPMExceeded", _RATE, "TooManyRequests"),
    "overloaded": (429, "ServerOverloaded", "The service is overloaded, try again later.", "TooManyRequests"),
    "quota": (403, "AccountOverdueError", "The account has an overdue balance.", "Forbidden"),
    "auth": (401, "AuthenticationError", "The API key is missing or invalid.", "Unauthorized"),
    "policy_input": (
        400, "InputTextSensitiveContentDetected", "The input text may contain sensitive information.", "BadRequest",
    ),
    "invalid": (400, "InvalidParameter", "The parameter `duration` is not valid.", "BadRequest"),
    "404": (404, "InvalidEndpointOrModel.NotFound", "The model or endpoint does not exist.", "NotFound"),
    "500": (500, "InternalServiceError", "An unexpected internal error occurred.", "InternalServerError"),
    "503": (503, "ServiceUnavailable", "The service is unavailable, try again later.", "ServiceUnavailable"),
}  # fmt: skip


def early(scenario: str, retry_after_s: float) -> Refusal | None:
    """What is refused before a task exists."""
    if scenario not in _AT_ONCE:
        return None
    headers = {"retry-after": f"{retry_after_s:g}"} if scenario == "429_retry_after" else None
    return Refusal(*_AT_ONCE[scenario], headers=headers)


def task_error(scenario: str) -> dict[str, str] | None:
    """What a task says that failed."""
    if scenario == "policy_output":
        message = "The request failed because the output video may contain sensitive information."
        return {"code": "OutputVideoSensitiveContentDetected", "message": message}
    if scenario == "accepted_then_failed":
        return {"code": "InternalServiceError", "message": "The service encountered an unexpected internal error."}
    return None


def picture_error(scenario: str, index: int) -> dict[str, str] | None:
    """What stands in the place of a picture that could not be given."""
    if scenario == "policy_output" or (scenario == "partial_output" and index % 2):
        message = "The request failed because the output image may contain sensitive information."
        return {"code": "OutputImageSensitiveContentDetected", "message": message}
    return task_error(scenario)
