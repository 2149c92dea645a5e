"""What xAI's dials can do, and both shapes of its errors."""

from collections.abc import Mapping

from simulators.exchange import Refused

SCENARIOS = {
    "ok": "the request is taken and done after render_ms",
    "slow": "the same, but the submit answers after slow_ms more",
    "429": "too many requests",
    "429_retry_after": "the same with Retry-After: retry_after_s",
    "quota": "403, the team has used all its credits",
    "auth": "401, the key is wrong",
    "forbidden": "403, the key may not use the model",
    "policy_input": "400, the prompt was rejected by moderation",
    "policy_output": "done, with respect_moderation false and no url: a refusal dressed as success",
    "moderated": "failed, rejected by moderation",
    "invalid": "422, a parameter",
    "404": "404, no such model",
    "500": "500 at once",
    "503": "503 at once",
    "hang": "never answers; nothing begun",
    "hang_after": "begun and run, the submit never answers",
    "reset": "closes the connection with RST; nothing begun",
    "reset_after": "begun and run, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "failed, an error of its own",
    "expired": "expired",
    "old_form": "done, in the older form without a status",
    "never_finishes": "stays pending",
    "bad_json": "200 and half a JSON document (the request is taken)",
    "truncated_output": "done; the link announces the whole and sends half",
    "slow_output": "done; the link drips",
    "expired_url": "done; the link is already expired",
    "html_output": "done; the link shows an HTML page",
    "empty_output": "done without a video",
    "oversized_output": "done; the link sends oversized_bytes",
}


def nested(status: int, message: str, kind: str, code: str, headers: Mapping[str, str] | None = None) -> Refused:
    """The newer shape."""
    return Refused(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)


def flat(status: int, code: str, error: str, headers: Mapping[str, str] | None = None) -> Refused:
    """The older shape."""
    return Refused(status, {"code": code, "error": error}, headers)


def early(scenario: str, retry_after_s: float) -> Refused | None:
    """What is refused before anything begins."""
    match scenario:
        case "429" | "429_retry_after":
            headers = {"retry-after": f"{retry_after_s:g}"} if scenario != "429" else None
            return flat(429, "Some resource has been exhausted", "Too many requests for this model.", headers)
        case "quota":
            said = "Your team has either used all available credits or reached its monthly spending limit."
            return flat(403, "The caller does not have permission to execute the specified operation", said)
        case "auth":
            return nested(401, "Incorrect API key provided.", "authentication_error", "invalid_api_key")
        case "forbidden":
            return flat(403, "The caller does not have permission", "The key may not use this model.")
        case "policy_input":
            return nested(
                400, "The prompt was rejected by content moderation.", "invalid_request_error", "content_moderation"
            )
        case "invalid":
            return nested(422, "duration: out of range", "invalid_request_error", "invalid_parameter")
        case "404":
            return flat(404, "Some requested entity was not found", "The model does not exist.")
        case "500":
            return nested(500, "Internal error", "server_error", "internal_error")
        case "503":
            return nested(503, "The service is at capacity", "server_error", "unavailable")
    return None
