"""What Google's dials can do, and how calls are refused before work begins."""

from simulators.gemini.errors import Refusal, detail, reason

SCENARIOS = {
    "ok": "one picture; the 3-series thinks first",
    "slow": "the same, after slow_ms more",
    "drafts": "drafts flagged as thoughts, whether asked for or not, then the picture",
    "429": "the rate of a minute is used up: speaks of billing, names the quota, asks for no pause",
    "429_retry_after": "the same with a RetryInfo of retry_after_s; there is no Retry-After header",
    "quota": "429 as well: the prepaid credits are used up",
    "billing_disabled": "403 BILLING_DISABLED, the error wrapped in a list",
    "auth": "the key or token is wrong; the Gemini API says 400 API_KEY_INVALID, Vertex 401",
    "region": "400 FAILED_PRECONDITION: not served here",
    "policy_input": "200 without candidates, promptFeedback.blockReason PROHIBITED_CONTENT",
    "policy_output": "200 with a candidate that ended as IMAGE_SAFETY, after render_ms",
    "recitation": "200 with a candidate that ended as IMAGE_RECITATION, after render_ms",
    "invalid": "400 for the aspect ratio",
    "404": "no such model",
    "500": "INTERNAL at once",
    "503": "overloaded at once",
    "hang": "never answers; no work begun",
    "hang_after": "begins work, never answers",
    "reset": "closes the connection with RST; no work begun",
    "reset_after": "begins work, then closes the connection with RST",
    "refuse": "connections are refused (until the dial is turned through another door, or for_ms)",
    "accepted_then_failed": "begins work, 500 after render_ms",
    "never_finishes": "200 and the first bytes of an answer, then silence",
    "bad_json": "200 and half a JSON document",
    "empty_output": "200, a candidate without content that ended as NO_IMAGE",
    "no_image": "200, a candidate that only talks and ended as STOP",
    "max_tokens": "200, a candidate that talks until MAX_TOKENS",
    "html_output": "an HTML page in place of the picture",
    "truncated_output": "a picture that stops halfway",
    "slow_output": "the answer drips",
    "oversized_output": "an answer of oversized_bytes",
}

_METRIC = "generativelanguage.googleapis.com/generate_content_paid_tier_requests"


def _used_up(pause_s: float | None = None) -> Refusal:
    """Its text speaks of plan and billing although only a minute is used up; the details say what is meant."""
    quota = {"quotaMetric": _METRIC, "quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "100"}
    details = [detail("QuotaFailure", violations=[quota])]
    if pause_s is not None:
        details.append(detail("RetryInfo", retryDelay=f"{pause_s:g}s"))
    said = "You exceeded your current quota, please check your plan and billing details."
    return Refusal(429, f"{said} Quota exceeded for metric: {_METRIC}, limit: 100", *details)


def no_key(*, vertex: bool) -> Refusal:
    """No key or token, or a wrong one: the Gemini API calls that an invalid argument."""
    if vertex:
        said = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        return Refusal(401, said, reason("ACCESS_TOKEN_TYPE_UNSUPPORTED", "aiplatform.googleapis.com"))
    said = "API key not valid. Please pass a valid API key."
    return Refusal(400, said, reason("API_KEY_INVALID", "generativelanguage.googleapis.com"))


def no_model(model: str, *, vertex: bool) -> Refusal:
    """404: a model that is unknown, retired, or not ours to use."""
    if vertex:
        return Refusal(404, f"Publisher Model `{model}` was not found or your project does not have access to it.")
    return Refusal(404, f"{model} is not found for API version v1beta, or is not supported for generateContent.")


def early(scenario: str, retry_after_s: float, *, vertex: bool) -> Refusal | None:
    """What is refused before work begins."""
    match scenario:
        case "429":
            # Vertex shares its capacity and gives no reasons.
            return Refusal(429, "Resource exhausted. Please try again later.") if vertex else _used_up()
        case "429_retry_after":
            return _used_up(retry_after_s)
        case "quota":
            return Refusal(429, "Your prepayment credits are depleted. Please manage your project and billing.")
        case "billing_disabled":
            service = "aiplatform.googleapis.com" if vertex else "generativelanguage.googleapis.com"
            said = "This API method requires billing to be enabled."
            return Refusal(403, said, reason("BILLING_DISABLED", service), wrapped=True)
        case "auth":
            return no_key(vertex=vertex)
        case "region":
            said = "User location is not supported for the API use."
            return Refusal(400, said, status="FAILED_PRECONDITION")
        case "invalid":
            return Refusal.invalid("Invalid aspect ratio.")
        case "404":
            return no_model("models/gone", vertex=vertex)
        case "500":
            return Refusal(500, "An internal error has occurred. Please retry.")
        case "503":
            return Refusal(503, "The model is overloaded. Please try again later.")
    return None
