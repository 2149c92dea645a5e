"""What Replicate's dials can do, its errors over HTTP, and how a prediction that fails reads."""

from collections.abc import Mapping
from typing import Any

from simulators.exchange import Refused

SCENARIOS = {
    "ok": "the prediction starts and has its output after render_ms",
    "slow": "the same, but the create answers after slow_ms more",
    "429": "throttled",
    "429_retry_after": "the same with Retry-After and retry_after: retry_after_s",
    "quota": "402 Insufficient credit",
    "auth": "401 Unauthenticated",
    "policy_input": "failed: the input was flagged as sensitive (E005)",
    "policy_output": "failed: the output was flagged as sensitive (E005)",
    "nsfw": "failed: NSFW content detected",
    "invalid": "422 Input validation failed",
    "invalid_late": "failed: the model found the input invalid (E006)",
    "404": "404, no such model",
    "500": "500 at once",
    "503": "503 at once",
    "hang": "never answers; nothing begun",
    "hang_after": "begun and run, the create never answers",
    "reset": "closes the connection with RST; nothing begun",
    "reset_after": "begun and run, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "failed: an error of the model's own",
    "high_demand": "failed: high demand (E003)",
    "aborted": "aborted: its deadline passed before it started",
    "never_finishes": "stays processing",
    "bad_json": "201 and half a JSON document (the prediction runs)",
    "truncated_output": "succeeded; the links announce the whole and send half",
    "slow_output": "succeeded; the links drip",
    "expired_url": "succeeded; the links are already expired",
    "html_output": "succeeded; the links show an HTML page",
    "empty_output": "succeeded with an output of null",
    "oversized_output": "succeeded; the links send oversized_bytes",
    "data_removed": "succeeded, but inputs and outputs are already deleted",
}
FAILURES: Mapping[str, str] = {
    "policy_input": "The input was flagged as sensitive. Please try again with different inputs. (E005) (a1)",
    "policy_output": "The output was flagged as sensitive. Please try again with different inputs. (E005) (b2)",
    "nsfw": "NSFW content detected. Try running it again, or try a different prompt.",
    "invalid_late": "The input was invalid: please check the parameters. (E006) (c3)",
    "accepted_then_failed": "Prediction failed: something went wrong while denoising",
    "high_demand": "Service is currently unavailable due to high demand. Please try again later. (E003) (d4)",
}


def problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Refused:
    """An error as RFC 7807 has it, less the type that Replicate leaves out."""
    return Refused(status, {"title": title, "detail": detail, "status": status, **more}, headers)


def early(scenario: str, retry_after_s: float) -> Refused | None:
    """What is refused before anything begins."""
    match scenario:
        case "429":
            return Refused(429, {"detail": "Request was throttled. Your rate limit will reset soon.", "status": 429})
        case "429_retry_after":
            said = f"Request was throttled. Your rate limit resets in ~{retry_after_s:g}s."
            body = {"detail": said, "status": 429, "retry_after": retry_after_s}
            return Refused(429, body, {"retry-after": f"{retry_after_s:g}"})
        case "quota":
            return problem(402, "Insufficient credit", "You have insufficient credit to run this model.")
        case "auth":
            return problem(401, "Unauthenticated", "You did not pass a valid authentication token")
        case "invalid":
            return invalid("duration", "Must be one of the choices")
        case "404":
            return problem(404, "Not Found", "The requested resource could not be found.")
        case "500":
            return problem(500, "Internal Server Error", "An internal error occurred.")
        case "503":
            return problem(503, "Service Unavailable", "The service is temporarily unavailable.")
    return None


def invalid(field: str, message: str) -> Refused:
    """An input that the model's schema refuses."""
    detail = f"- input.{field}: {message}\n"
    return problem(
        422, "Input validation failed", detail, invalid_fields=[{"field": f"input.{field}", "description": message}]
    )
