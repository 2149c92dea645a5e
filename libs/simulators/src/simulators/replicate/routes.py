"""Replicate's predictions over HTTP."""

import asyncio
import re
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.courier import Courier
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document
from simulators.inputs import Wrong
from simulators.journal import Call, Journal
from simulators.links import Links
from simulators.making import taken, told
from simulators.media import Darkroom, file_route
from simulators.rendering import Tasks
from simulators.replicate.models import MODELS
from simulators.replicate.prediction import Prediction
from simulators.replicate.scenarios import SCENARIOS, early, invalid, problem
from simulators.replicate.webhooks import Signer

_EVENTS = ("start", "output", "logs", "completed")
_SPAN = re.compile(r"(\d+)(s|m|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3_600}
_LONGEST_WAIT_S = 60
_PAGE = 100


class Predictions:
    """The endpoints and the predictions behind them."""

    def __init__(self, dials: Dials, journal: Journal, links: Links, api_key: str | None) -> None:
        self.dials, self.journal, self.links, self.api_key = dials, journal, links, api_key
        self.kept: Tasks[Prediction] = Tasks()
        self.courier = Courier(journal)
        self.signer = Signer()
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s),
            request_id_header="replicate-request-id",
        )  # fmt: skip

    async def create(self, request: Request) -> Response:
        """Begin a prediction; with `Prefer: wait` the answer waits for its end."""
        return await self.exchange("submit", request, self._understand, self._begin)

    async def _understand(self, request: Request) -> Understood[Prediction]:
        body = await document(request, problem(400, "Bad Request", "The request body is not valid JSON"))
        name = _model_of(request, body)
        if name not in MODELS:
            raise problem(404, "Not Found", "The requested resource could not be found.")
        given = body.get("input")
        if not isinstance(given, dict):
            raise invalid("", "input is required")
        events = body.get("webhook_events_filter", list(_EVENTS))
        if not isinstance(events, list) or not set(events) <= set(_EVENTS):
            raise problem(422, "Invalid webhook filter", "webhook_events_filter: unknown event")
        hosted = MODELS[name]
        try:
            outputs = hosted(given)
        except Wrong as wrong:
            raise invalid(wrong.field, wrong.message) from None
        prompt = given["prompt"] if isinstance(given.get("prompt"), str) else ""
        prediction = Prediction.of(
            self.dials.now,
            prompt,
            request,
            model=name,
            outputs=outputs,
            listed=hosted.listed,
            webhook=body.get("webhook"),
            events=tuple(events),
            cancel_after_s=_span_s(request.headers.get("cancel-after")),
        )
        return Understood(prediction, prompt, name, body)

    async def _begin(self, prediction: Prediction, call: Call, request: Request) -> Response:
        prediction.begin(call.scenario)
        self.kept.add(prediction.id, prediction)
        self.journal.accepted(call, prediction_id=prediction.id)
        if prediction.webhook:
            self.courier.send(self._announce(prediction, prediction.webhook))
        if call.scenario in {"hang_after", "reset_after"}:
            return taken(call.scenario, Response())
        waited_s = _wait_s(request.headers.get("prefer", ""))
        if waited_s:
            line = prediction.timeline
            await asyncio.sleep(waited_s if line.never else min(waited_s, line.render_s))
        status = 202 if waited_s and not prediction.is_terminal else 201
        return told(call.scenario, as_json(prediction.shown(self.links), status))

    async def _announce(self, prediction: Prediction, url: str) -> None:
        """Tell of its end, and of its start if asked, as often as the dials say; forged ones too, if they say so."""
        if "start" in prediction.events:
            await self._post(prediction, url)
        while not prediction.is_terminal:
            if self.kept.get(prediction.id) is not prediction:
                return
            line = prediction.timeline
            await asyncio.sleep(1 if line.never else max(0.02, min(1.0, line.render_s - line.elapsed_s)))
        if "completed" in prediction.events:
            await self._post(prediction, url)

    async def _post(self, prediction: Prediction, url: str) -> None:
        raw = orjson.dumps(prediction.shown(self.links))
        setting = self.dials.now
        if setting.forge:
            forger = Signer(b"a key that is not Replicate's")
            await self.courier.post("forged", url, raw, lambda: forger.headers(raw), prediction_id=prediction.id)
        for _ in range(setting.duplicates):
            await self.courier.post(
                "webhook", url, raw, lambda: self.signer.headers(raw), prediction_id=prediction.id
            )

    async def get(self, request: Request) -> Response:
        """The prediction as it stands."""

        async def tell(prediction: Prediction, call: Call, _: Request) -> Response:
            call.ids["prediction_id"] = prediction.id
            return told(call.scenario, as_json(prediction.shown(self.links)))

        return await self.exchange("poll", request, self._known, tell)

    async def cancel(self, request: Request) -> Response:
        """Stop it; after its end this changes nothing."""

        async def end(prediction: Prediction, call: Call, _: Request) -> Response:
            call.ids["prediction_id"] = prediction.id
            if not prediction.is_terminal:
                prediction.cancelled_at = prediction.timeline.began_at + prediction.timeline.elapsed_s
            return as_json(prediction.shown(self.links))

        return await self.exchange("cancel", request, self._known, end)

    async def list(self, request: Request) -> Response:
        """The newest hundred."""

        async def tell(_: None, __: Call, ___: Request) -> Response:
            found = [one.shown(self.links) for one in self.kept.newest_first()[:_PAGE]]
            return as_json({"previous": None, "next": None, "results": found})

        return await self.exchange("list", request, _anything, tell)

    async def model(self, request: Request) -> Response:
        """What a model takes, as far as a schema check needs it."""

        async def tell(_: None, __: Call, request: Request) -> Response:
            name = f"{request.path_params['owner']}/{request.path_params['name']}"
            if name not in MODELS:
                raise problem(404, "Not Found", "The requested resource could not be found.")
            owner, short = name.split("/")
            fields = {field: {"title": field} for field in MODELS[name].inputs}
            needed = [field for field, known in MODELS[name].inputs.items() if known.required]
            schema = {
                "components": {"schemas": {"Input": {"type": "object", "properties": fields, "required": needed}}}
            }
            return as_json(
                {
                    "url": f"https://replicate.com/{name}",
                    "owner": owner,
                    "name": short,
                    "visibility": "public",
                    "latest_version": {"id": "hidden", "openapi_schema": schema},
                }
            )

        return await self.exchange("model", request, _anything, tell)

    async def secret(self, request: Request) -> Response:
        """The account's webhook secret."""

        async def tell(_: None, __: Call, ___: Request) -> Response:
            return as_json({"key": self.signer.secret})

        return await self.exchange("secret", request, _anything, tell)

    async def _known(self, request: Request) -> Understood[Prediction]:
        prediction = self.kept.get(request.path_params["id"])
        if prediction is None:
            raise problem(404, "Not Found", "The requested resource could not be found.")
        return Understood(prediction, model=prediction.model)

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme not in ("Bearer", "Token") or not key or (self.api_key is not None and key != self.api_key):
            raise problem(401, "Unauthenticated", "You did not pass a valid authentication token")

    def forget(self) -> None:
        """Forget all predictions and pending webhooks."""
        self.kept.clear()
        self.courier.drop()


async def _anything(_: Request) -> Understood[None]:
    return Understood(None)


def _model_of(request: Request, body: dict[str, Any]) -> str:
    """From the path, or for the older form from `version`: `owner/name`, with or without a version behind it."""
    if "name" in request.path_params:
        return f"{request.path_params['owner']}/{request.path_params['name']}"
    version = body.get("version")
    if not isinstance(version, str) or not version:
        raise problem(422, "Input validation failed", "- version is required\n")
    return version.partition(":")[0]


def _wait_s(prefer: str) -> float:
    match = re.fullmatch(r"wait(?:=(\d+))?", prefer.strip())
    return 0 if match is None else min(int(match[1] or _LONGEST_WAIT_S), _LONGEST_WAIT_S)


def _span_s(text: str | None) -> float | None:
    match = _SPAN.fullmatch(text or "")
    return None if match is None else max(5, int(match[1]) * _SECONDS[match[2]])


def build(links: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The stand-in; any key is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal, links = Dials(SCENARIOS, ("submit",), start), Journal(), links or Links()
    predictions = Predictions(dials, journal, links, api_key)
    one = "/v1/predictions/{id}"
    routes = [
        file_route(links, Darkroom(), dials, journal),
        Route("/v1/predictions", predictions.create, methods=["POST"]),
        Route("/v1/predictions", predictions.list, methods=["GET"]),
        Route(one, predictions.get, methods=["GET"]),
        Route(one + "/cancel", predictions.cancel, methods=["POST"]),
        Route("/v1/models/{owner}/{name}/predictions", predictions.create, methods=["POST"]),
        Route("/v1/models/{owner}/{name}", predictions.model, methods=["GET"]),
        Route("/v1/webhooks/default/secret", predictions.secret, methods=["GET"]),
    ]
    return Simulator("replicate", routes, dials, journal, predictions.forget, predictions.courier.close)
