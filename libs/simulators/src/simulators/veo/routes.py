"""`models/{model}:predictLongRunning` and `:fetchPredictOperation` of Vertex AI."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pybase64
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators import frames
from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document
from simulators.faults import dripping, flood
from simulators.gemini.errors import Refusal
from simulators.gemini.scenarios import no_key, no_model
from simulators.gemini.token import Tokens
from simulators.inputs import Choice, Flag, Input, Text, Whole, Wrong, read
from simulators.journal import Call, Journal
from simulators.links import Links, Output, seed_of
from simulators.making import taken, told
from simulators.media import PAGE, Darkroom
from simulators.rendering import Tasks, Timeline
from simulators.veo.scenarios import ENDS, SCENARIOS, early

_TIERS: Mapping[str, tuple[str, ...]] = {
    "veo-3.1-generate-001": ("720p", "1080p", "4k"),
    "veo-3.1-fast-generate-001": ("720p", "1080p", "4k"),
    "veo-3.1-lite-generate-001": ("720p", "1080p"),
}
_INSTANCE = frozenset({"prompt", "image", "lastFrame", "video", "referenceImages", "mask"})


def _parameters(tiers: tuple[str, ...]) -> dict[str, Input]:
    return {
        "sampleCount": Whole(1, 4, 1),
        "durationSeconds": Choice((4, 6, 8), 8),
        "aspectRatio": Choice(("16:9", "9:16"), "16:9"),
        "resolution": Choice(tiers, "720p"),
        "generateAudio": Flag(default=True),
        "personGeneration": Text(),
        "negativePrompt": Text(),
        "seed": Whole(0, 2**32 - 1),
        "enhancePrompt": Flag(),
        "storageUri": Text(),
        # Documented in small letters, written in capitals by Google's own client.
        "compressionQuality": Choice(("optimized", "lossless", "OPTIMIZED", "LOSSLESS")),
        "resizeMode": Choice(("crop", "pad", "CROP", "PAD")),
        "pubsubTopic": Text(),
        "fps": Whole(24, 24),
    }


@dataclass(slots=True)
class Operation:
    """One prediction; its prompt is gone, only the seed drawn from it remains."""

    name: str
    film: Output
    scenario: str
    timeline: Timeline
    oversized_bytes: int


class Predictions:
    """The two methods and the operations behind them."""

    def __init__(self, dials: Dials, journal: Journal, tokens: Tokens) -> None:
        self.dials, self.journal, self.tokens = dials, journal, tokens
        self.kept: Tasks[Operation] = Tasks()
        self.darkroom = Darkroom()
        self.exchange = Exchange(
            dials, journal, self._check_key, lambda scenario: early(scenario, dials.now.retry_after_s)
        )

    async def call(self, request: Request) -> Response:
        """One call, by the method behind the model's name."""
        if request.path_params["call"].endswith(":fetchPredictOperation"):
            return await self.exchange("poll", request, self._named, self._tell)
        return await self.exchange("submit", request, self._understand, self._begin)

    async def _understand(self, request: Request) -> Understood[Operation]:
        model, _, method = request.path_params["call"].rpartition(":")
        if method != "predictLongRunning" or model not in _TIERS:
            raise no_model(f"publishers/google/models/{model[:100]}", vertex=True)
        body = await document(request, Refusal.invalid("Invalid JSON payload received. Expected an object."))
        instances = body.get("instances")
        if not isinstance(instances, list) or len(instances) != 1 or not isinstance(instances[0], dict):
            raise Refusal.invalid("Exactly one instance is needed.")
        instance = instances[0]
        if unknown := instance.keys() - _INSTANCE:
            raise Refusal.unknown(min(unknown), "instances[0]")
        prompt = instance.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise Refusal.invalid("The prompt is empty.")
        try:
            values = read(_parameters(_TIERS[model]), body.get("parameters") or {})
        except Wrong as wrong:
            raise Refusal.invalid(f"{wrong.field}: {wrong.message}") from None
        if values["resolution"] != "720p" and values["durationSeconds"] != 8:
            raise Refusal.invalid("Only 8 seconds are supported for this resolution.")
        film = frames.film(
            values["resolution"], values["aspectRatio"], values["durationSeconds"], audio=values["generateAudio"]
        )
        where = {name: request.path_params[name] for name in ("project", "location")}
        operation = Operation(
            f"projects/{where['project']}/locations/{where['location']}/publishers/google/models/{model}"
            f"/operations/{uuid.uuid4()}",
            # Colours follow the prompt, the rest is the operation's own.
            replace(film, seed=seed_of(prompt)[:2] + uuid.uuid4().bytes[2:]),
            "ok",
            Timeline(self.dials.now.queued_s, self.dials.now.render_ms / 1000),
            self.dials.now.oversized_bytes,
        )
        return Understood(operation, prompt, model, body)

    async def _begin(self, operation: Operation, call: Call, _: Request) -> Response:
        operation.scenario = call.scenario
        old = operation.timeline
        operation.timeline = Timeline(old.queued_s, old.render_s, never=call.scenario == "never_finishes")
        self.kept.add(operation.name, operation)
        self.journal.accepted(call, operation=operation.name)
        return taken(call.scenario, as_json({"name": operation.name}))

    async def _named(self, request: Request) -> Understood[Operation]:
        body = await document(request, Refusal.invalid("Invalid JSON payload received. Expected an object."))
        operation = self.kept.get(str(body.get("operationName")))
        if operation is None:
            raise Refusal(404, "The operation is not found.")
        return Understood(operation)

    async def _tell(self, operation: Operation, call: Call, _: Request) -> Response:
        call.ids["operation"] = operation.name
        if not operation.timeline.is_done:
            return as_json({"name": operation.name, "done": False})
        done: dict[str, Any] = {"name": operation.name, "done": True}
        if operation.scenario in ENDS:
            code, message = ENDS[operation.scenario]
            return as_json({**done, "error": {"code": code, "message": message}})
        response: dict[str, Any] = {"@type": "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"}
        if operation.scenario == "policy_output":
            response |= {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["Support codes: 15236754"]}
        else:
            response["raiMediaFilteredCount"] = 0
            if operation.scenario != "empty_output":
                response["videos"] = [await self._film(operation)]
        answer = as_json({**done, "response": response})
        match operation.scenario:
            case "slow_output":
                return dripping(bytes(answer.body), self.dials.now.drip_bytes_per_s, "application/json")
            case "oversized_output":
                body = bytes(answer.body)
                return flood(body[: len(body) // 2], operation.oversized_bytes, "application/json", filler=b"A")
        return told(call.scenario, answer)

    async def _film(self, operation: Operation) -> dict[str, str]:
        body = PAGE if operation.scenario == "html_output" else await self.darkroom.develop(operation.film)
        if operation.scenario == "truncated_output":
            body = body[: len(body) // 2]
        return {"bytesBase64Encoded": pybase64.b64encode_as_string(body), "mimeType": "video/mp4"}

    def _check_key(self, request: Request) -> None:
        if not self.tokens.good(request.headers.get("authorization", "")):
            raise no_key(vertex=True)

    def forget(self) -> None:
        """Forget all operations and tokens."""
        self.kept.clear()
        self.tokens.forget()


def build(_: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """Any project and location, with the token endpoint; any token is right unless one is named."""
    start = start or Setting(render_ms=2_000)
    dials, journal = Dials(SCENARIOS, ("submit",), start), Journal()
    tokens = Tokens(journal, api_key)
    predictions = Predictions(dials, journal, tokens)
    path = "/v1/projects/{project}/locations/{location}/publishers/google/models/{call}"
    routes = [
        Route(path, predictions.call, methods=["POST"]),
        Route("/token", tokens.exchange, methods=["POST"]),
    ]
    return Simulator("veo", routes, dials, journal, predictions.forget)
