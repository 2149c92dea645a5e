"""Wires the gateway together: settings in, application out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from common import catalogue as catalogues
from common.database import Database
from common.egress import EgressPolicy
from common.messaging import Bus
from common.objects import ObjectStore
from common.sealing import Sealer
from common.service import build_app
from gateway.accounts.authentication import Authentication
from gateway.accounts.limits import RateLimit
from gateway.accounts.repository import AccountRows
from gateway.api.answers import answer
from gateway.api.counter import Counter
from gateway.api.desk import Desk
from gateway.api.docs import Docs
from gateway.api.edge import Edge, Note, family_of
from gateway.api.media import Media
from gateway.api.models import Models
from gateway.api.native import Native
from gateway.api.openai_images import OpenAIImages
from gateway.api.openai_videos import OpenAIVideos
from gateway.api.openapi import document
from gateway.api.purchasing import Purchasing
from gateway.api.reading.staging import Staging
from gateway.api.routes import add, mount, operations
from gateway.api.statement import Statement
from gateway.api.status import Status
from gateway.api.statuses import envelope, headers_of, status_of
from gateway.api.views import Views
from gateway.billing_api import HttpBillingApi
from gateway.consumers import consumers
from gateway.domain.health import Health
from gateway.domain.media_links import MediaLinks
from gateway.domain.sameness import Sameness
from gateway.errors import GatewayError, MethodNotAllowed, NotFound
from gateway.jobs.marks import Marks
from gateway.jobs.presence import Presence
from gateway.jobs.projection import Projection
from gateway.jobs.repository import JobRows, MarkRows, OverdueRows, ProjectionRows, SubmissionRows
from gateway.jobs.submission import Submission
from gateway.jobs.waiters import Waiters
from gateway.settings import Settings
from gateway.sweeper import Sweeper


def make_app(settings: Settings) -> FastAPI:
    """The service, ready to be served."""
    database_url = settings.database_url.get_secret_value()
    database = Database(database_url, settings.database_pool_size)
    store = ObjectStore(settings)
    bus = Bus(settings.amqp_url.get_secret_value(), producer="gateway", drain_s=settings.drain_s)
    presence = Presence(database_url)
    billing = HttpBillingApi(settings.billing_url, settings.internal_token.get_secret_value())
    catalogue = catalogues.load()

    jobs = JobRows(database)
    waiters = Waiters(jobs.read, jobs.changed)
    marks = Marks(MarkRows(database, presence.incarnation))
    submission = Submission(
        settings=settings,
        rows=SubmissionRows(database),
        jobs=jobs,
        waiters=waiters,
        bus=bus,
        presence=presence,
    )
    projection = Projection(ProjectionRows(database), waiters, bus.replica, settings.overdue_grace_s)
    health = Health()
    bus.include(consumers(projection, waiters, health))
    sweeper = Sweeper(OverdueRows(database), bus, settings.sweep_s)

    accounts = AccountRows(database)
    links = MediaLinks(settings.media_url, _key(settings.media_signing_key.get_secret_value()))
    desk = Desk(
        authentication=Authentication(
            accounts,
            _key(settings.key_pepper.get_secret_value()),
            settings.key_cache_s,
            settings.key_patience_s,
        ),
        rate_limit=RateLimit(accounts),
        catalogue=catalogue,
        sameness=Sameness(_key(settings.body_hash_key.get_secret_value())),
        sealer=Sealer(Path(settings.sealing_keys_file)),
        staging=Staging(store, store.staging),
        policy=EgressPolicy.parse(settings.egress_allow_cidrs),
        providers=settings.configured_providers,
    )
    counter = Counter(settings, submission, marks)
    views = Views(links)
    media = Media(links, jobs, store, settings.media_redirect_life_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Whatever fails to stop, the rest stops all the same, in reverse order.
        async with AsyncExitStack() as stopping:
            for part in (database, store):
                await part.start()
                stopping.push_async_callback(part.stop)
            stopping.push_async_callback(billing.stop)
            await presence.start()
            stopping.push_async_callback(presence.stop)
            stopping.push_async_callback(marks.stop)
            stopping.push_async_callback(waiters.stop)
            await bus.start()
            stopping.push_async_callback(bus.stop)
            stopping.push_async_callback(submission.stop)
            await sweeper.start()
            stopping.push_async_callback(sweeper.stop)
            yield

    app = build_app(
        "reAPI",
        lifespan=lifespan,
        readiness={"database": database.ready, "bus": lambda: bus.ready},
        redirect_slashes=False,
    )
    status = Status(catalogue, settings.configured_providers, health)
    table = operations(
        OpenAIImages(desk, counter, views, store),
        OpenAIVideos(desk, counter, views, jobs, media),
        Native(
            desk=desk,
            counter=counter,
            views=views,
            jobs=jobs,
            waiters=waiters,
            billing=billing,
            long_poll_limit_s=settings.long_poll_limit_s,
        ),
        Models(desk, catalogue, billing, settings.configured_providers),
        media,
        Purchasing(desk, billing, accounts, f"{settings.public_url}/docs"),
        Statement(desk, billing),
        status,
    )
    mount(app, table)
    docs = Docs(document(table, catalogue, settings.public_url), settings.public_url)
    add(app, "GET", "/docs", docs.page)
    add(app, "GET", "/openapi.json", docs.openapi)
    add(app, "GET", "/status", status.page)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_middleware(Edge)
    return app


async def _unrouted(request: Request, error: Exception) -> Response:
    """What the router itself refuses, in our envelope: no such path, or not this method."""
    status = getattr(error, "status_code", 404)
    refused: GatewayError = MethodNotAllowed() if status == 405 else NotFound()
    if status == 405:
        refused.headers["allow"] = ", ".join(_methods_of(request))
    row = status_of(refused, family_of(request.scope))
    note = Note.of(request.scope)
    note.facts["code"] = refused.code
    return answer(envelope(refused, row, note.request_id), row.http, headers=headers_of(refused, row))


def _methods_of(request: Request) -> list[str]:
    """Every method that this path takes; the router itself names those of one route only."""
    matching = (
        route.methods or set()
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return sorted(set().union(*matching))


def _key(text: str) -> bytes:
    return bytes.fromhex(text)
