"""What Veo's dials can do; before an operation exists, errors are Google's usual ones."""

from collections.abc import Mapping

from simulators.exchange import Refused
from simulators.gemini.errors import Refusal
from simulators.gemini.scenarios import early as usual

SCENARIOS = {
    "ok": "an operation, done with the film after render_ms",
    "slow": "the same, but the submit answers after slow_ms more",
    "429": "RESOURCE_EXHAUSTED without a reason",
    "429_retry_after": "RESOURCE_EXHAUSTED with RetryInfo: retry_after_s",
    "quota": "RESOURCE_EXHAUSTED, the text speaks of prepayment",
    "auth": "401, the token is wrong",
    "policy_input": "400 INVALID_ARGUMENT, the text names the usage guidelines",
    "policy_output": "done without a film: all were filtered (raiMediaFilteredCount)",
    "invalid": "400 INVALID_ARGUMENT",
    "404": "404 NOT_FOUND, as retired models",
    "500": "500 INTERNAL",
    "503": "503 UNAVAILABLE",
    "hang": "never answers; nothing begun",
    "hang_after": "begun and run, the submit never answers",
    "reset": "closes the connection with RST; nothing begun",
    "reset_after": "begun and run, then the connection is closed with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "done with error code 13, INTERNAL",
    "exhausted_late": "done with error code 8, RESOURCE_EXHAUSTED",
    "unavailable_late": "done with error code 14, UNAVAILABLE",
    "invalid_late": "done with error code 3, INVALID_ARGUMENT",
    "never_finishes": "stays done: false",
    "bad_json": "200 and half a JSON document (the operation is begun)",
    "truncated_output": "done; half a film",
    "html_output": "done; an HTML page in base64",
    "empty_output": "done without a film, and nothing was filtered",
    "slow_output": "done; the answer with the film drips",
    "oversized_output": "done; an answer of oversized_bytes",
}
ENDS: Mapping[str, tuple[int, str]] = {
    "accepted_then_failed": (13, "Internal error encountered."),
    "exhausted_late": (8, "Resource exhausted."),
    "unavailable_late": (14, "The service is currently unavailable."),
    "invalid_late": (3, "The aspect ratio is not supported."),
}
"""gRPC code and message of an operation that fails."""
_GUIDELINES = (
    "The prompt could not be submitted. This prompt contains words that violate Vertex AI's usage guidelines. "
    "Support codes: 61493863"
)


def early(scenario: str, retry_after_s: float) -> Refused | None:
    """What is refused before an operation exists."""
    if scenario == "policy_input":
        return Refusal.invalid(_GUIDELINES)
    return usual(scenario, retry_after_s, vertex=True)
