"""What can go wrong between a request and its answer.

::

    GatewayError                     code, sentence for the customer, the parameter at fault
    ├── Unauthenticated              invalid_api_key
    ├── AccountNotActive             account_suspended, account_closed
    ├── RequestRefused               the request itself is wrong
    │   ├── InvalidRequest           invalid_value, missing_required_parameter, invalid_json, ...
    │   ├── UnsupportedBody          unsupported_media_type
    │   ├── TooLarge                 request_too_large
    │   ├── RequestTimedOut          request_timed_out
    │   ├── HeadersTooLarge          headers_too_large
    │   ├── UriTooLong               uri_too_long
    │   ├── MethodNotAllowed         method_not_allowed
    │   └── NotFound                 model_not_found, not_found
    ├── IdempotencyConflict          idempotency_key_reused
    ├── NotReady                     not_ready
    ├── Gone                         expired
    ├── BadSignature                 invalid_signature
    ├── RateLimited                  rate_limit_exceeded, concurrency_limit_exceeded
    ├── Unavailable                  service_unavailable (nothing is or will be charged)
    ├── ModelUnavailable             model_unavailable (no provider of it is configured)
    ├── TimedOut                     timed_out (cancelled and given back)
    ├── StillRunning                 still_running (asked to be cancelled; the task says how it ended)
    ├── OrderRefused                 unknown_offer, already_subscribed, not_subscribed, ...
    ├── PaymentDeclined              the card's own code: card_declined, expired_card, ...
    ├── PaymentsUnavailable          payments_unavailable (not set up here), payments_away
    └── JobEndedBadly                the job's own code: insufficient_quota, content_policy_violation, ...

Only ``gateway.api.statuses`` knows what HTTP makes of a code. A message never quotes the request.
"""

# ruff: noqa: N818 - the names say what happened
from typing import ClassVar


class GatewayError(Exception):
    """Base of everything that is told to a customer."""

    code: str = "server_error"
    message: ClassVar[str] = "Something went wrong on our side. Nothing is charged for it."

    def __init__(self, message: str | None = None, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message or self.message)
        self.code = code or type(self).code
        self.param = param
        self.headers: dict[str, str] = {}


class Unauthenticated(GatewayError):
    """No key, a wrong one, or a revoked one."""

    code = "invalid_api_key"
    message = "Incorrect API key provided. Send yours as 'Authorization: Bearer rk_live_...'."


class AccountNotActive(GatewayError):
    """The key is right, its account may not spend."""

    code = "account_suspended"
    message = "This account is suspended. Write to support to have it looked at."


class RequestRefused(GatewayError):
    """The request itself is wrong; sending it again cannot help."""

    code = "invalid_request"
    message = "The request is not valid."


class InvalidRequest(RequestRefused):
    """A body or a parameter that cannot be used."""

    code = "invalid_value"


class UnsupportedBody(RequestRefused):
    """A content type this call does not read."""

    code = "unsupported_media_type"
    message = "Send the body as application/json."


class TooLarge(RequestRefused):
    """More bytes, files or parts than this call takes."""

    code = "request_too_large"
    message = "The request body is too large."


class RequestTimedOut(RequestRefused):
    """The client stopped sending its body."""

    code = "request_timed_out"
    message = "The request body did not arrive in time. Nothing was begun; send it again."


class HeadersTooLarge(RequestRefused):
    """More than 64 headers, or more than 32 KiB of them."""

    code = "headers_too_large"
    message = "At most 64 headers of 32 KiB together are accepted."


class UriTooLong(RequestRefused):
    """A URL of more than 8 KiB."""

    code = "uri_too_long"
    message = "A URL may have at most 8192 bytes."


class NotFound(RequestRefused):
    """No such model, task, video or path; other accounts' jobs look the same."""

    code = "not_found"
    message = "There is nothing here."


class MethodNotAllowed(RequestRefused):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
    message = "This path does not take this method; the Allow header names those that it does."


class IdempotencyConflict(GatewayError):
    """The same key came before with another body."""

    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used with a different request within the last 24 hours."


class NotReady(GatewayError):
    """The output is asked for before it exists."""

    code = "not_ready"
    message = "The job has not completed; poll it until it has."


class Gone(GatewayError):
    """The output lived its time."""

    code = "expired"
    message = "The output has expired and is deleted."


class BadSignature(GatewayError):
    """A media link that we did not sign like this."""

    code = "invalid_signature"
    message = "This link is not valid. Ask the API for a fresh one."


class RateLimited(GatewayError):
    """The account's own limit of requests per minute, or of jobs at a time, is reached."""

    code = "rate_limit_exceeded"
    message = "Too many requests; wait as long as retry-after says."


class Unavailable(GatewayError):
    """Something behind us is away. Nothing is or will be charged for this request."""

    code = "service_unavailable"
    message = "The service is busy or restarting. Nothing was charged; try again shortly."


class ModelUnavailable(GatewayError):
    """The operator has configured no provider that serves this model. Said before anything is held."""

    code = "model_unavailable"
    message = "This model has no provider here at the moment; GET /v1/models says which are available."


class TimedOut(GatewayError):
    """A synchronous request reached its limit; its job was cancelled and nothing was charged."""

    code = "timed_out"


class StillRunning(GatewayError):
    """A synchronous request reached its limit, and how its job ended is not known yet: it may be charged."""

    code = "still_running"


class OrderRefused(GatewayError):
    """What is asked for cannot be ordered as things stand."""

    code = "order_refused"
    message = "This cannot be ordered."


class PaymentDeclined(GatewayError):
    """The card said no; nothing was changed."""

    code = "card_declined"
    message = "The card was declined."


class PaymentsUnavailable(GatewayError):
    """Nothing can be paid here, or not at the moment."""

    code = "payments_unavailable"
    message = "Payments are not available at the moment."


class JobEndedBadly(GatewayError):
    """The job was refused or refunded; the code is the job's own."""

    code = "generation_failed"
