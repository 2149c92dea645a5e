"""OpenAI's error envelope."""

from collections.abc import Mapping

from simulators.exchange import Refused


class Refusal(Refused):
    """A request the API answers with its error envelope."""

    def __init__(
        self,
        status: int,
        kind: str,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, headers)

    @classmethod
    def invalid(cls, param: str, message: str, code: str = "invalid_value") -> "Refusal":
        """400: a parameter is wrong."""
        return cls(400, "invalid_request_error", code, message, param=param)

    @classmethod
    def unreadable(cls) -> "Refusal":
        """400: the body is no JSON object."""
        return cls(400, "invalid_request_error", None, "We could not parse the JSON body of your request.")

    @classmethod
    def no_model(cls, model: str) -> "Refusal":
        """404: no such model."""
        message = f"The model '{model}' does not exist or you do not have access to it."
        return cls(404, "invalid_request_error", "model_not_found", message, param="model")

    @classmethod
    def no_key(cls) -> "Refusal":
        """401: no key, or a wrong one."""
        message = "Incorrect API key provided. You can find your API key in your account settings."
        return cls(401, "invalid_request_error", "invalid_api_key", message)


_RATE = "Rate limit reached for images per minute. Limit 250, Used 250, Requested 1."
_BLOCKED = "Your request was rejected by the safety system. If you believe this is an error, contact support."

_FAILED = "The server had an error processing your request."
_AT_ONCE: Mapping[str, tuple[int, str, str | None, str]] = {
    "429": (429, "requests", "rate_limit_exceeded", _RATE),
    "429_retry_after": (429, "requests", "rate_limit_exceeded", _RATE),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "auth": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "policy_input": (400, "image_generation_user_error", "moderation_blocked", _BLOCKED),
    "invalid": (400, "invalid_request_error", "invalid_value", "Invalid value for 'size'."),
    "500": (500, "server_error", "server_error", _FAILED),
    "503": (503, "overloaded_error", None, "The engine is currently overloaded, please try again later."),
}


_FILTERED = {
    "code": "contentFilter",
    "message": "Your task failed as a result of our safety system.",
    "param": None,
    "type": "invalid_request_error",
    "innererror": {"code": "ResponsibleAIPolicyViolation"},
}


def early(scenario: str, retry_after_s: float, *, azure: bool = False) -> Refused | None:
    """What is refused before work begins; Azure's filter and its door have words of their own."""
    if scenario not in _AT_ONCE:
        return None
    if azure and scenario == "policy_input":
        return Refused(400, {"error": _FILTERED})
    if azure and scenario == "auth":
        return no_azure_key()
    headers = {"retry-after": f"{retry_after_s:g}"} if scenario == "429_retry_after" else None
    return Refusal(*_AT_ONCE[scenario], param="size" if scenario == "invalid" else None, headers=headers)


def no_azure_key() -> Refused:
    """The key is missing or wrong, at Azure."""
    said = "Access denied due to invalid subscription key or wrong API endpoint."
    return Refused(401, {"error": {"code": "401", "message": said}})


def late(scenario: str) -> Refusal | None:
    """What is refused once the work is done."""
    if scenario == "policy_output":
        return Refusal(400, "image_generation_user_error", "moderation_blocked", _BLOCKED)
    return Refusal(500, "server_error", "server_error", _FAILED) if scenario == "accepted_then_failed" else None
