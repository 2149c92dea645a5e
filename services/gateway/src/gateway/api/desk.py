"""The front desk: who is it, what do they want, and what order does it become. Shared by both families."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from starlette.requests import Request

from common import telemetry
from common.catalogue import Catalogue, Dialect, InvalidParameter, Model
from common.catalogue import Request as Wanted
from common.contracts.body import JobBody
from common.credits import from_credits
from common.egress import EgressPolicy, EgressRefused, check_url
from common.failpoints import reach
from common.sealing import Sealed, Sealer
from gateway.accounts.authentication import Authentication, Caller
from gateway.accounts.limits import RateLimit
from gateway.api.edge import Note
from gateway.api.reading.fallback import fallback
from gateway.api.reading.json_bodies import LargeBodies, media_type, read_json
from gateway.api.reading.media_fields import Media, MediaFields
from gateway.api.reading.multipart import Form, read_multipart
from gateway.api.reading.staging import Staging
from gateway.domain.availability import is_available
from gateway.domain.sameness import Sameness
from gateway.errors import (
    IdempotencyConflict,
    InvalidRequest,
    JobEndedBadly,
    ModelUnavailable,
    NotFound,
    RateLimited,
    RequestRefused,
)
from gateway.jobs.orders import Order

Kind = Literal["image", "video"]
_CALLBACK_FIELDS = ("callback_url", "webhook_url")
_MAX_KEY_CHARS = 255
_MAX_RETRY_COUNT = 100
_MAX_QUOTE_CHARS = 600


class Desk:
    """Turns requests into callers and orders."""

    def __init__(
        self,
        *,
        authentication: Authentication,
        rate_limit: RateLimit,
        catalogue: Catalogue,
        sameness: Sameness,
        sealer: Sealer,
        staging: Staging,
        policy: EgressPolicy,
        providers: frozenset[str] | None,
    ) -> None:
        self._authentication = authentication
        self._rate_limit = rate_limit
        self._catalogue = catalogue
        self._sameness = sameness
        self._sealer = sealer
        self._staging = staging
        self._policy = policy
        self._providers = providers
        self._media = MediaFields(staging, policy)
        self._large_bodies = LargeBodies()

    async def caller(self, request: Request) -> Caller:
        """Who asks. Raises Unauthenticated, AccountNotActive, Unavailable or RateLimited."""
        caller = await self._authentication.caller(request.headers.get("authorization"))
        note = Note.of(request.scope)
        note.facts["account_id"] = caller.account_id.hex
        if caller.rate_per_minute is not None:
            note.headers.update(await self._rate_limit.admit(caller))
        reach("G1")
        return caller

    async def read(self, request: Request, caller: Caller, job_id: UUID, *, forms: bool) -> Form:
        """The request's body, from JSON or, where ``forms``, from a multipart form."""
        if forms and media_type(request) == "multipart/form-data":
            return await read_multipart(request, self._staging, job_id)
        return Form(await read_json(request, self._large_bodies, caller.account_id))

    @asynccontextmanager
    async def order(
        self, request: Request, caller: Caller, form: Form, *, job_id: UUID, kind: Kind, dialect: Dialect, waits: bool
    ) -> AsyncIterator[Order]:
        """The order a form makes; its staged files are discarded if no job comes of it.

        Raises InvalidRequest, NotFound or TooLarge.
        """
        telemetry.begin_trace()
        try:
            yield await self._order(request, caller, form, job_id=job_id, kind=kind, dialect=dialect, waits=waits)
        except (RequestRefused, IdempotencyConflict, RateLimited, JobEndedBadly):
            # Only where no job can need them any more; a client that hangs up leaves its job behind.
            self._staging.discard([file for _, file in form.files])
            raise

    async def _order(
        self, request: Request, caller: Caller, form: Form, *, job_id: UUID, kind: Kind, dialect: Dialect, waits: bool
    ) -> Order:
        retry_count, key = _retry_count(request), idempotency_key(request)
        fields = form.fields
        model = self._model(fields.pop("model", None), kind)
        note = Note.of(request.scope)
        note.facts["model"] = model.id
        if retry_count:
            note.facts["retry_count"] = retry_count
        callback_url = await self._callback(fields)
        own = _own_fields(fields)
        media = await self._media.take(model, dialect, form, job_id)
        wanted = _wanted(model, dialect, fields, media)
        said = {"fields": fields, "own": own, "model": model.id, "callback": callback_url}
        return Order(
            job_id=job_id,
            caller=caller,
            family=dialect,
            model=model,
            request=wanted,
            body_hash=self._sameness.of_request(f"{dialect} {kind}", said, media.digests),
            seal=self._seal_for(caller, wanted.texts, media),
            synchronous=waits,
            idempotency_hash=self._sameness.of_key(key) if key is not None else None,
            retry_count=retry_count,
            callback_url=callback_url,
            quote_id=_quote_id(own),
            max_microusd=_max_microusd(own),
            fallback=fallback(own.get("fallback"), model, dialect),
        )

    async def priced(self, request: Request, form: Form, *, job_id: UUID, dialect: Dialect) -> Wanted:
        """What a form would order, for its price alone; nothing of it is kept. Raises as :meth:`order`."""
        try:
            fields = form.fields
            model = self._model(fields.pop("model", None))
            Note.of(request.scope).facts["model"] = model.id
            await self._callback(fields)
            fallback(_own_fields(fields).get("fallback"), model, dialect)
            media = await self._media.take(model, dialect, form, job_id)
            return _wanted(model, dialect, fields, media)
        finally:
            self._staging.discard([file for _, file in form.files])

    def _model(self, name: Any, kind: Kind | None = None) -> Model:
        if name is None:
            raise InvalidRequest("model is required.", code="missing_required_parameter", param="model")
        if not isinstance(name, str):
            raise InvalidRequest("model must be a string.", param="model")
        model = self._catalogue.find(name)
        if model is None:
            raise NotFound(
                "This model does not exist; GET /v1/models lists those that do.",
                code="model_not_found",
                param="model",
            )
        if kind is not None and model.kind != kind:
            raise InvalidRequest(f"This model makes {model.kind}s, not {kind}s.", param="model")
        if not is_available(model, self._providers):
            raise ModelUnavailable(param="model")
        return model

    async def _callback(self, fields: dict[str, Any]) -> str | None:
        named = {name: fields.pop(name) for name in _CALLBACK_FIELDS if name in fields}
        given = {name: value for name, value in named.items() if value is not None}
        if not given:
            return None
        if len(given) > 1:
            raise InvalidRequest("Send callback_url or webhook_url, not both.", param="webhook_url")
        ((name, url),) = given.items()
        if not isinstance(url, str):
            raise InvalidRequest(f"{name} must be an https URL.", param=name)
        try:
            await check_url(url, self._policy)
        except EgressRefused as refused:
            raise InvalidRequest(f"{name}: {refused}.", code="invalid_url", param=name) from None
        return url

    def _seal_for(self, caller: Caller, texts: dict[str, str], media: Media) -> Any:
        body = JobBody(texts=texts, inputs=media.inputs).model_dump(mode="json", exclude_none=True)

        def seal(job_id: UUID, expires_at: datetime) -> Sealed:
            return self._sealer.seal(job_id, caller.account_id, expires_at, body)

        return seal


def _wanted(model: Model, dialect: Dialect, fields: dict[str, Any], media: Media) -> Wanted:
    try:
        return model.request(dialect, fields, media.roles)
    except InvalidParameter as error:
        raise InvalidRequest(error.message, code=error.code, param=error.param) from None


def response_format(fields: dict[str, Any]) -> str:
    """How the caller wants to have its images: ``url`` unless it asks for ``b64_json``."""
    chosen = fields.get("response_format")
    if chosen not in (None, "url", "b64_json"):
        raise InvalidRequest("response_format must be url or b64_json.", param="response_format")
    return chosen or "url"


def _own_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields that no model knows, because the API itself reads them."""
    own: dict[str, Any] = {
        name: fields.pop(name)
        for name in ("response_format", "stream", "partial_images", "quote_id", "max_credits", "fallback")
        if name in fields
    }
    if own.get("stream") not in (None, False, "false"):
        raise InvalidRequest("stream is not supported yet; send false or leave it out.", param="stream")
    if own.get("partial_images") not in (None, 0, "0"):
        raise InvalidRequest("partial_images needs stream, which is not supported yet.", param="partial_images")
    return own


def _quote_id(own: dict[str, Any]) -> str | None:
    quote_id = own.get("quote_id")
    if quote_id is not None and not (isinstance(quote_id, str) and 1 <= len(quote_id) <= _MAX_QUOTE_CHARS):
        raise InvalidRequest("quote_id must be one that POST /quote has answered.", param="quote_id")
    return quote_id


def _max_microusd(own: dict[str, Any]) -> int | None:
    limit = own.get("max_credits")
    if limit is None:
        return None
    try:
        # Of a form it comes as text. A boolean is a number to Python, and to nobody else.
        microusd = 0 if isinstance(limit, bool) else from_credits(str(limit))
    except ValueError as error:
        raise InvalidRequest(f"max_credits: {error}.", param="max_credits") from None
    if microusd <= 0:
        raise InvalidRequest("max_credits must be a number of credits above 0.", param="max_credits")
    return microusd


def idempotency_key(request: Request) -> str | None:
    """The request's Idempotency-Key. Raises InvalidRequest for one that is none."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _MAX_KEY_CHARS or not key.isascii() or not key.isprintable():
        message = f"Idempotency-Key must be 1 to {_MAX_KEY_CHARS} printable ASCII characters."
        raise InvalidRequest(message, param="Idempotency-Key")
    return key


def _retry_count(request: Request) -> int:
    """What a stock SDK says of itself; anything else says nothing."""
    text = request.headers.get("x-stainless-retry-count", "0")
    return min(int(text), _MAX_RETRY_COUNT) if text.isascii() and text.isdigit() and len(text) < 6 else 0
