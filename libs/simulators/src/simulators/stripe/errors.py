"""What Stripe answers instead of an object."""

from typing import Any

from simulators.exchange import Refused


class StripeError(Refused):
    """An error in Stripe's envelope. What was changed before it stays changed: a declined card is noted."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        error: dict[str, Any] = {"type": kind, "message": message}
        if code is not None:
            error |= {"code": code, "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"}
        if param is not None:
            error["param"] = param
        super().__init__(status, {"error": error | more})


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """The request cannot be understood or makes no sense."""
    return StripeError(400, "invalid_request_error", message, code=code, param=param)


def missing_param(name: str) -> StripeError:
    """A required parameter was left out."""
    return invalid(f"Missing required param: {name}.", name, "parameter_missing")


def missing(kind: str, identity: str, param: str = "id") -> StripeError:
    """There is no such object."""
    return StripeError(
        404, "invalid_request_error", f"No such {kind}: '{identity}'", code="resource_missing", param=param
    )
