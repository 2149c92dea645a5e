"""Google's error envelope, `google.rpc.Status` in JSON."""

from typing import Any

from simulators.exchange import Refused

_TYPES = "type.googleapis.com/google.rpc."
_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}  # fmt: skip


class Refusal(Refused):
    """A call that Google answers with its envelope; `wrapped` puts it into a list of one, as some frontends do."""

    def __init__(
        self, code: int, message: str, *details: dict[str, Any], status: str | None = None, wrapped: bool = False
    ) -> None:
        error: dict[str, Any] = {"code": code, "message": message, "status": status or _STATUSES[code]}
        if details:
            error["details"] = list(details)
        super().__init__(code, [{"error": error}] if wrapped else {"error": error})

    @classmethod
    def unknown(cls, name: str, at: str) -> "Refusal":
        """400: a field that the message does not have."""
        where = f" at '{at}'" if at else ""
        said = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
        violation = {"description": said} | ({"field": at} if at else {})
        return cls(400, said, detail("BadRequest", fieldViolations=[violation]))

    @classmethod
    def invalid(cls, message: str) -> "Refusal":
        """400: an argument."""
        return cls(400, message)


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    """One of an error's details."""
    return {"@type": _TYPES + kind, **fields}


def reason(word: str, service: str) -> dict[str, Any]:
    """The detail by which machines tell errors of one status apart."""
    return detail("ErrorInfo", reason=word, domain="googleapis.com", metadata={"service": service})
