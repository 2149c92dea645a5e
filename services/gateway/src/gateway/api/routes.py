"""Every path of the public API, in one table. The OpenAPI document is drawn from the same one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Note
from gateway.api.media import Media
from gateway.api.models import Models
from gateway.api.native import Native
from gateway.api.openai_images import OpenAIImages
from gateway.api.openai_videos import OpenAIVideos
from gateway.api.purchasing import Purchasing
from gateway.api.statement import Statement
from gateway.api.status import Status

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: where it is, who answers, and what the document says of it.

    ``body`` names the kind of generation a request body describes, ``answers`` a component of the document or a
    plain sentence, ``query`` the query parameters with their sentences.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    answers: str
    status: int = 200
    body: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    errors: tuple[int, ...] = (401, 403, 429, 503)
    public: bool = False
    """No key needed."""


_SUBMIT = (400, 401, 402, 403, 404, 409, 413, 415, 429, 503)
_SUBMIT_OPENAI = (400, 401, 403, 404, 409, 410, 413, 415, 429, 502, 503, 504)
_ONE = (401, 403, 404, 429, 503)


def operations(  # noqa: PLR0917 - one per wing of the API
    images: OpenAIImages,
    videos: OpenAIVideos,
    native: Native,
    models: Models,
    media: Media,
    purchasing: Purchasing,
    statement: Statement,
    status: Status,
) -> Sequence[Operation]:
    """Fixed paths before those with an id in the same place."""
    wait = (("wait", "Hold the request until the status changes, this many seconds at most."),)
    page = (("after", "The last id of the page before."), ("limit", "1 to 100; 20."), ("order", "asc or desc; desc."))
    variant = (("variant", "Only video is kept."),)
    return (
        Operation("POST", "/v1/images/generations", images.generate, "Make pictures and wait for them", "Images",
                  body="openai image", errors=_SUBMIT_OPENAI),
        Operation("POST", "/v1/images/edits", images.edit, "Make pictures from pictures and wait for them", "Images",
                  body="openai image", errors=_SUBMIT_OPENAI),
        Operation("POST", "/v1/videos", videos.create, "Start a video", "Video", body="openai video",
                  errors=_SUBMIT_OPENAI),
        Operation("GET", "/v1/videos", videos.list, "List videos", "VideoList", query=page),
        Operation("POST", "/v1/videos/generations", native.generate_video, "Start a video (native form)", "Accepted",
                  body="native video", errors=_SUBMIT),
        Operation("GET", "/v1/videos/{id}", videos.retrieve, "Look at a video", "Video", errors=_ONE),
        Operation("GET", "/v1/videos/{id}/content", videos.content, "Download a video",
                  "Redirect to the file", status=302, query=variant, errors=(*_ONE, 409, 410)),
        Operation("GET", "/v1/models", models.list, "List models with their prices", "ModelList"),
        Operation("GET", "/v1/models/{id:path}", models.retrieve, "Look at a model", "Model", errors=_ONE),
        Operation("GET", "/v1/tasks/{id}", native.task, "Look at any job as a task", "Task", query=wait, errors=_ONE),
        Operation("POST", "/v1/quote", native.quote, "What a generation would cost (native form)", "Quote",
                  body="native any", errors=(400, 401, 403, 404, 413, 415, 429, 503)),
        Operation("GET", "/v1/balance", native.balance, "Credits left", "Balance"),
        Operation("POST", "/api/v1/images/generations", native.generate_image, "Start a picture", "Accepted",
                  body="native image", errors=_SUBMIT),
        Operation("POST", "/api/v1/videos/generations", native.generate_video, "Start a video", "Accepted",
                  body="native video", errors=_SUBMIT),
        Operation("GET", "/api/v1/tasks/{id}", native.task, "Look at a task", "Task", query=wait, errors=_ONE),
        Operation("POST", "/api/v1/quote", native.quote, "What a generation would cost", "Quote", body="native any",
                  errors=(400, 401, 403, 404, 413, 415, 429, 503)),
        Operation("GET", "/api/v1/balance", native.balance, "Credits left", "Balance"),
        Operation("GET", "/api/v1/packages", purchasing.packages, "Credits that can be bought", "Offers"),
        Operation("GET", "/api/v1/plans", purchasing.plans, "Monthly plans", "Offers"),
        Operation("POST", "/api/v1/orders", purchasing.order, "Order a package or a plan", "Order", status=201,
                  body="order", errors=(400, 401, 403, 409, 429, 503)),
        Operation("GET", "/api/v1/orders/{id}", purchasing.read_order, "Look at an order", "Order", errors=_ONE),
        Operation("GET", "/api/v1/subscription", purchasing.subscription, "Look at the subscription",
                  "SubscriptionAnswer"),
        Operation("POST", "/api/v1/subscription", purchasing.change_subscription, "Change plan, cancel or resume",
                  "SubscriptionAnswer", body="subscription", errors=(400, 401, 402, 403, 409, 429, 503)),
        Operation("POST", "/api/v1/portal", purchasing.portal, "Look after card and invoices", "Page", body="portal",
                  errors=(400, 401, 403, 409, 429, 503)),
        Operation("POST", "/api/v1/cards", purchasing.keep_card, "Keep a card for automatic top-ups", "Page",
                  body="portal", errors=(400, 401, 403, 429, 503)),
        Operation("GET", "/api/v1/auto_topup", purchasing.auto_topup, "Look at automatic top-ups", "AutoTopupAnswer"),
        Operation("PUT", "/api/v1/auto_topup", purchasing.set_auto_topup, "Set automatic top-ups", "AutoTopupAnswer",
                  body="auto topup", errors=(400, 401, 403, 409, 429, 503)),
        Operation("GET", "/api/v1/invoices", purchasing.invoices, "Invoices and receipts", "Invoices"),
        Operation("GET", "/api/v1/ledger", statement.read, "Every posting of the account", "Ledger",
                  query=(("format", "json or csv; json."), ("limit", "Transactions a page, 1 to 200; 50."),
                         ("after", "The last transaction of the page before.")), errors=(400, *_ONE)),
        Operation("GET", "/api/v1/status", status.json, "How well each model is served now", "Status", errors=(),
                  public=True),
        Operation("GET", "/media/{job}/{file}", media.get, "Fetch an output by its signed link",
                  "Redirect to the file", status=302, query=(("e", "Expiry."), ("s", "Signature.")),
                  errors=(403, 404, 410), public=True),
    )  # fmt: skip


def mount(app: FastAPI, table: Sequence[Operation]) -> None:
    """Register every operation; plain routes, for bodies are read by hand and answers written by hand."""
    for operation in table:
        add(app, operation.method, operation.path, operation.endpoint)


def add(app: FastAPI, method: str, path: str, endpoint: Endpoint) -> None:
    """One plain route that names itself to the log line."""

    async def named(request: Request) -> Response:
        Note.of(request.scope).route = path
        return await endpoint(request)

    app.add_route(path, named, methods=[method], include_in_schema=False)
