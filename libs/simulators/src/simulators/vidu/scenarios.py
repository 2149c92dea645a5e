"""What Vidu's dials can do, and Vidu's errors."""

from collections.abc import Mapping

from simulators.exchange import Refused

SCENARIOS = {
    "ok": "the task is created and succeeds after render_ms",
    "slow": "the same, but the submit answers after slow_ms more",
    "429": "SystemThrottling",
    "429_retry_after": "the same with Retry-After: retry_after_s",
    "quota": "CreditInsufficient",
    "auth": "401, the token is wrong",
    "policy_input": "TaskPromptPolicyViolation at once",
    "audited": "AuditSubmitIllegal at once",
    "policy_output": "failed, CreationPolicyViolation",
    "invalid": "FieldInvalid",
    "404": "404, the model is unknown",
    "500": "500 at once",
    "503": "503 at once",
    "hang": "never answers; nothing created",
    "hang_after": "created and run, the submit never answers",
    "reset": "closes the connection with RST; nothing created",
    "reset_after": "created and run, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "failed, an error of its own",
    "never_finishes": "stays processing",
    "bad_json": "200 and half a JSON document (the task is created)",
    "truncated_output": "success; the link announces the whole and sends half",
    "slow_output": "success; the link drips",
    "expired_url": "success; the link is already expired",
    "html_output": "success; the link shows an HTML page",
    "empty_output": "success without creations",
    "oversized_output": "success; the link sends oversized_bytes",
}
ENDS: Mapping[str, str] = {
    "policy_output": "CreationPolicyViolation",
    "accepted_then_failed": "InternalServiceFailure",
}
"""`err_code` of a task that fails."""


def refusal(status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> Refused:
    """An error of Vidu."""
    return Refused(status, {"code": status, "reason": reason, "message": message, "metadata": {}}, headers)


def early(scenario: str, retry_after_s: float) -> Refused | None:
    """What is refused before a task is created."""
    match scenario:
        case "429" | "429_retry_after":
            headers = {"retry-after": f"{retry_after_s:g}"} if scenario != "429" else None
            return refusal(429, "SystemThrottling", "too many tasks at once", headers)
        case "quota":
            return refusal(400, "CreditInsufficient", "the balance does not suffice")
        case "auth":
            return refusal(401, "Unauthorized", "invalid token")
        case "policy_input":
            return refusal(400, "TaskPromptPolicyViolation", "the prompt violates the content policy")
        case "audited":
            return refusal(400, "AuditSubmitIllegal", "the submission was found illegal")
        case "invalid":
            return refusal(400, "FieldInvalid", "field duration is invalid")
        case "404":
            return refusal(404, "ModelNotFound", "the model is not found")
        case "500":
            return refusal(500, "InternalServiceFailure", "internal error")
        case "503":
            return refusal(503, "ServiceUnavailable", "try again later")
    return None
