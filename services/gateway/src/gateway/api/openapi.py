"""The OpenAPI document: paths from the table of routes, parameters from the catalogue, answers as we draw them."""

from collections.abc import Sequence
from typing import Any

from common.catalogue import Catalogue, Dialect
from gateway.api.routes import Operation
from gateway.domain.health import Standing

# Repeating these costs nothing, so they take no Idempotency-Key.
_WITHOUT_KEY = ("Quote", "SubscriptionAnswer", "AutoTopupAnswer", "Page")
_STATES = {
    400: "The request is wrong; param says where.",
    401: "No key, or a wrong one.",
    402: "Not enough credits.",
    403: "Not allowed.",
    404: "No such thing.",
    409: "It contradicts an earlier request, is not ready, or costs more than it may (price_changed).",
    410: "It has expired and is deleted.",
    413: "Too large.",
    415: "A content type this call does not read.",
    429: "Too many requests, or (OpenAI family) not enough credits.",
    502: "The upstreams failed; nothing is charged.",
    503: "Busy; nothing is charged.",
    504: "It took too long and was cancelled.",
}


def document(table: Sequence[Operation], catalogue: Catalogue, public_url: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        path = operation.path.replace(":path}", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path)
    schemas = {**_SCHEMAS, **_bodies(catalogue)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "reAPI",
            "version": "1",
            "description": (
                "Image and video models behind one OpenAI-compatible endpoint. Under /v1 errors and statuses are "
                "OpenAI's; under /api/v1 they are the native family's. Prompts are not kept: prompt is null in "
                "every answer. Every POST that costs takes an Idempotency-Key (24 hours)."
            ),
        },
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "rk_live_..."}},
        },
    }


def _operation(operation: Operation, path: str) -> dict[str, Any]:
    name = f"{operation.method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}"
    described: dict[str, Any] = {"operationId": name, "summary": operation.summary, "responses": {}}
    if operation.public:
        described["security"] = []
    parameters: list[dict[str, Any]] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in path.split("/")
        if part.startswith("{")
    ]
    parameters += [
        {"name": key, "in": "query", "description": says, "schema": {"type": "string"}}
        for key, says in operation.query
    ]
    if operation.body is not None:
        described["requestBody"] = _request_body(operation.body)
    if operation.body is not None and operation.answers not in _WITHOUT_KEY:
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}})
    if operation.body == "openai image":
        says = "respond-async answers 202 with the task."
        parameters.append({"name": "Prefer", "in": "header", "description": says, "schema": {"type": "string"}})
        described["responses"]["202"] = _answer("Task")
    if parameters:
        described["parameters"] = parameters
    described["responses"][str(operation.status)] = _answer(operation.answers)
    if operation.answers == "Accepted":
        described["responses"]["202"] = _answer("Accepted")
    for status in operation.errors:
        described["responses"][str(status)] = {"description": _STATES[status], "content": _json("Error")}
    return described


def _request_body(body: str) -> dict[str, Any]:
    name = _body_name(body)
    content = _json(name)
    if body == "openai video":
        content = {**content, "multipart/form-data": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"required": True, "content": content}


def _answer(name: str) -> dict[str, Any]:
    if name not in _SCHEMAS:
        return {"description": name}
    return {"description": name, "content": _json(name)}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _body_name(body: str) -> str:
    return "".join(word.capitalize() for word in body.split()) + "Request"


def _bodies(catalogue: Catalogue) -> dict[str, Any]:
    """A request body is that of one of the models."""
    bodies: dict[str, Any] = {}
    dialects: tuple[Dialect, ...] = ("openai", "native")
    for dialect in dialects:
        for kind in ("image", "video"):
            variants = []
            for model in catalogue.models:
                if model.kind == kind:
                    schema = model.parameters_schema(dialect)
                    properties = {
                        "model": {"type": "string", "enum": [model.id, *model.aliases]},
                        **schema["properties"],
                        "callback_url": {"type": "string", "format": "uri"},
                        "quote_id": {"type": "string", "description": "Pay what this quote of POST /quote promised."},
                        "max_credits": {"type": "number", "description": "Refuse with 409 price_changed above this."},
                        "fallback": _FALLBACK,
                    }
                    if (dialect, kind) == ("openai", "image"):
                        properties["response_format"] = {"enum": ["url", "b64_json"], "default": "url"}
                    required = ["model", *schema["required"]]
                    variants.append({**schema, "title": model.id, "properties": properties, "required": required})
            bodies[_body_name(f"{dialect} {kind}")] = {"oneOf": variants}
    either = [bodies[_body_name(f"native {kind}")] for kind in ("image", "video")]
    bodies |= _PAYMENT_BODIES
    bodies[_body_name("native any")] = {"oneOf": [variant for one in either for variant in one["oneOf"]]}
    return bodies


_FALLBACK = {
    "type": "object",
    "description": "Whether another route may be tried if the preferred one fails, and what it may ignore.",
    "properties": {
        "enabled": {"type": "boolean", "default": True},
        "allow_lossy": {"type": "array", "items": {"type": "string"}, "default": []},
    },
    "additionalProperties": False,
}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT = {"type": "string"}
_TIME = {"type": "integer", "description": "Unix seconds."}
_MAYBE_TIME = {"type": ["integer", "null"], "description": "Unix seconds."}
_NULL = {"type": "null", "description": "Prompts are not kept."}
_CREDITS = _object(reserved={"type": "number"}, charged={"type": "number"}, refunded={"type": "number"})
_FAILURE = {"anyOf": [_object(code=_TEXT, message=_TEXT), {"type": "null"}]}
_LIVE = {"type": "boolean"}
_STANDING = {"enum": [one.value for one in Standing]}
_PERCENT = {"type": "integer", "minimum": 0, "maximum": 100}
_ACCEPTED = {
    "id": _TEXT,
    "model": _TEXT,
    "status": {"enum": ["processing", "completed", "failed"]},
    "created_at": _TIME,
}
_URLS = {"type": "array", "items": {"type": "string", "format": "uri"}}

_URL = {"type": "string", "format": "uri"}
_PAYMENT_BODIES: dict[str, dict[str, Any]] = {
    "OrderRequest": {
        "type": "object",
        "description": "One package or one plan.",
        "properties": {"package": _TEXT, "plan": _TEXT, "success_url": _URL, "cancel_url": _URL},
    },
    "SubscriptionRequest": {
        "type": "object",
        "properties": {"plan": _TEXT, "cancel_at_period_end": {"type": "boolean"}},
    },
    "AutoTopupRequest": {
        "type": "object",
        "properties": {
            "enabled": {"type": "boolean"},
            "threshold_credits": {"type": "number"},
            "package": _TEXT,
            "month_cap_cents": {"type": "integer"},
        },
        "required": ["enabled", "threshold_credits", "package", "month_cap_cents"],
    },
    "PortalRequest": {"type": "object", "properties": {"return_url": _URL}},
}

_SCHEMAS: dict[str, dict[str, Any]] = {
    "Offers": _object(
        object={"const": "list"},
        data={
            "type": "array",
            "items": _object(
                object={"enum": ["package", "plan"]},
                id=_TEXT,
                title=_TEXT,
                amount_cents={"type": "integer"},
                currency={"const": "usd"},
                credits={"type": "number"},
            ),
        },
    ),
    "Order": _object(
        object={"const": "order"},
        id=_TEXT,
        kind={"enum": ["package", "plan"]},
        offer=_TEXT,
        amount_cents={"type": "integer"},
        currency={"const": "usd"},
        credits={"type": "number"},
        state={"enum": ["open", "paid", "expired"]},
        created=_TIME,
        url={"type": ["string", "null"], "description": "The page to pay it on; only when it is placed."},
    ),
    "SubscriptionAnswer": _object(
        subscription={
            "anyOf": [
                _object(plan=_TEXT, status=_TEXT, period_end=_TIME, cancel_at_period_end={"type": "boolean"}),
                {"type": "null"},
            ]
        }
    ),
    "AutoTopupAnswer": _object(
        auto_topup={
            "anyOf": [
                _object(
                    state={"enum": ["on", "off", "needs_customer"]},
                    threshold_credits={"type": "number"},
                    package=_TEXT,
                    month_cap_cents={"type": "integer"},
                    month_spent_cents={"type": "integer"},
                    problem={"type": ["string", "null"]},
                ),
                {"type": "null"},
            ]
        }
    ),
    "Page": _object(url=_URL),
    "Ledger": _object(
        object={"const": "list"},
        data={
            "type": "array",
            "items": _object(
                object={"const": "transaction"},
                id={"type": "integer"},
                event=_TEXT,
                task_id={"type": ["string", "null"]},
                reason={"type": ["string", "null"]},
                booked_at=_TEXT,
                entries={"type": "array", "items": _object(pot=_TEXT, credits={"type": "number"})},
            ),
        },
        has_more={"type": "boolean"},
    ),
    "Invoices": _object(
        object={"const": "list"},
        data={
            "type": "array",
            "items": _object(
                object={"const": "invoice"},
                id=_TEXT,
                number=_TEXT,
                status=_TEXT,
                total_cents={"type": "integer"},
                paid_cents={"type": "integer"},
                currency=_TEXT,
                created=_TIME,
                page_url=_URL,
                pdf_url=_URL,
            ),
        },
    ),
    "Error": _object(
        error=_object(
            message=_TEXT, type=_TEXT, param={"type": ["string", "null"]}, code={"type": ["string", "null"]}
        ),
        request_id=_TEXT,
    ),
    "Accepted": _object(**_ACCEPTED),
    "Task": _object(
        **_ACCEPTED,
        object={"const": "task"},
        kind={"enum": ["image", "video"]},
        progress=_PERCENT,
        prompt=_NULL,
        output={"anyOf": [{"type": "object", "additionalProperties": _URLS}, {"type": "null"}]},
        error=_FAILURE,
        finished_at=_MAYBE_TIME,
        expires_at=_MAYBE_TIME,
        credits=_CREDITS,
        livemode=_LIVE,
    ),
    "Video": _object(
        id=_TEXT,
        object={"const": "video"},
        model=_TEXT,
        status={"enum": ["queued", "in_progress", "completed", "failed"]},
        progress=_PERCENT,
        created_at=_TIME,
        completed_at=_MAYBE_TIME,
        expires_at=_MAYBE_TIME,
        seconds={"type": ["string", "null"]},
        size={"type": ["string", "null"]},
        prompt=_NULL,
        remixed_from_video_id={"type": "null"},
        error=_FAILURE,
        task_id=_TEXT,
        url={"type": ["string", "null"]},
        credits=_CREDITS,
    ),
    "VideoList": _object(
        object={"const": "list"},
        data={"type": "array", "items": {"$ref": "#/components/schemas/Video"}},
        has_more={"type": "boolean"},
        first_id={"type": ["string", "null"]},
        last_id={"type": ["string", "null"]},
    ),
    "Images": {
        **_object(
            created=_TIME,
            data={"type": "array", "items": {"type": "object", "properties": {"url": _TEXT, "b64_json": _TEXT}}},
            id=_TEXT,
            model=_TEXT,
            expires_at=_MAYBE_TIME,
            credits=_CREDITS,
        )
    },
    "Balance": _object(
        object={"const": "balance"},
        credits={"type": "number", "description": "The same as available_credits."},
        available_credits={"type": "number"},
        held_credits={"type": "number"},
        livemode=_LIVE,
    ),
    "Quote": _object(
        object={"const": "quote"},
        model=_TEXT,
        credits={"type": "number", "description": "What a generation with this body would cost now."},
        price_version={"type": "integer"},
        quote_id=_TEXT,
        valid_until=_TIME,
    ),
    "Status": _object(
        object={"const": "status"},
        status=_STANDING,
        data={
            "type": "array",
            "items": _object(
                model=_TEXT, status=_STANDING, routes={"type": "integer"}, routes_well={"type": "integer"}
            ),
        },
    ),
    "Model": _object(
        id=_TEXT,
        object={"const": "model"},
        created=_TIME,
        owned_by=_TEXT,
        shutdown_date={"type": ["string", "null"]},
        title=_TEXT,
        description=_TEXT,
        kind={"enum": ["image", "video"]},
        aliases={"type": "array", "items": _TEXT},
        prices={
            "type": ["array", "null"],
            "items": _object(
                sku=_TEXT,
                credits={"type": "number"},
                unit={"enum": ["image", "second"]},
                upcoming={
                    "anyOf": [_object(credits={"type": "number"}, effective_at=_TIME), {"type": "null"}],
                    "description": "An announced price: paid from its date on, or 14 days after you were told.",
                },
            ),
        },
        parameters={"type": "object"},
        native_parameters={"type": "object"},
    ),
    "ModelList": _object(
        object={"const": "list"}, data={"type": "array", "items": {"$ref": "#/components/schemas/Model"}}
    ),
}
