"""`models/{model}:generateContent` of the Gemini API and of Vertex AI, with its scenarios."""

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Simulator, as_json
from simulators.dials import Dials, Setting
from simulators.exchange import Exchange, Understood, document, half
from simulators.faults import Reset, Silence, Unfinished, dripping, flood
from simulators.gemini.answer import blocked, drawn, ended
from simulators.gemini.errors import Refusal
from simulators.gemini.models import MODELS
from simulators.gemini.request import Wanted, parse
from simulators.gemini.scenarios import SCENARIOS, early, no_key, no_model
from simulators.gemini.token import Tokens
from simulators.journal import Call, Journal
from simulators.links import Links
from simulators.media import PAGE

_NOT_JSON = "Invalid JSON payload received. Expected an object."


class Content:
    """The method and what it needs, at either of its two addresses."""

    def __init__(self, dials: Dials, journal: Journal, api_key: str | None, tokens: Tokens | None) -> None:
        self.dials, self.journal, self.api_key, self.tokens = dials, journal, api_key, tokens
        self.exchange = Exchange(
            dials, journal, self._check_key,
            lambda scenario: early(scenario, dials.now.retry_after_s, vertex=self.vertex),
        )  # fmt: skip

    @property
    def vertex(self) -> bool:
        """Whether this is Vertex AI."""
        return self.tokens is not None

    async def generate(self, request: Request) -> Response:
        """One call: judged, journalled, drawn."""
        return await self.exchange("submit", request, self._understand, self._work)

    async def _understand(self, request: Request) -> Understood[Wanted]:
        name, _, method = request.path_params["call"].rpartition(":")
        if method not in ("generateContent", "streamGenerateContent") or name not in MODELS:
            known = request.url.path.lstrip("/").removeprefix("v1/").removeprefix("v1beta/").rpartition(":")[0]
            raise no_model(known[:200], vertex=self.vertex)
        body = await document(request, Refusal.invalid(_NOT_JSON))
        wanted = parse(body, name, int(request.headers.get("content-length", 0)), vertex=self.vertex)
        return Understood(wanted, wanted.prompt, name, wanted.journalled)

    async def _work(self, wanted: Wanted, call: Call, request: Request) -> Response:
        scenario, setting = call.scenario, self.dials.now
        if scenario == "policy_input":
            return self._said(request, blocked(wanted, "PROHIBITED_CONTENT"))
        self.journal.accepted(call)
        if scenario == "reset_after":
            return Reset()
        if scenario == "hang_after":
            return Silence()
        if setting.render_ms:
            await asyncio.sleep(setting.render_ms / 1000)
        match scenario:
            case "accepted_then_failed":
                raise Refusal(500, "An internal error has occurred. Please retry.")
            case "policy_output":
                return self._said(request, ended(wanted, "IMAGE_SAFETY"))
            case "recitation":
                return self._said(request, ended(wanted, "IMAGE_RECITATION"))
            case "empty_output":
                return self._said(request, ended(wanted, "NO_IMAGE"))
            case "no_image":
                return self._said(request, ended(wanted, "STOP", says="Shall I draw that in another style?"))
            case "max_tokens":
                return self._said(request, ended(wanted, "MAX_TOKENS", says="Let me think about it"))
        if not wanted.pictures:
            return self._said(request, ended(wanted, "STOP", says="A picture in words."))
        answer = await drawn(
            wanted,
            drafts=scenario == "drafts" or (wanted.thoughts and wanted.model.thinks),
            instead=PAGE if scenario == "html_output" else None,
            cut=scenario == "truncated_output",
        )
        return self._faulty(scenario, self._said(request, answer))

    def _faulty(self, scenario: str, response: Response) -> Response:
        body, setting = bytes(response.body), self.dials.now
        match scenario:
            case "bad_json":
                return half(response)
            case "never_finishes":
                return Unfinished(body[:512], len(body), "application/json")
            case "slow_output":
                return dripping(body, setting.drip_bytes_per_s, "application/json")
            case "oversized_output":
                return flood(body[: len(body) // 2], setting.oversized_bytes, "application/json", filler=b"A")
        return response

    def _said(self, request: Request, answer: dict[str, object]) -> Response:
        if ":streamGenerateContent" not in request.url.path:
            return as_json(answer)
        # Pictures come in one piece, streamed or not; without alt=sse the stream is a list.
        if request.query_params.get("alt") == "sse":
            return Response(b"data: " + orjson.dumps(answer) + b"\r\n\r\n", media_type="text/event-stream")
        return as_json([answer])

    def _check_key(self, request: Request) -> None:
        if self.tokens is not None:
            if not self.tokens.good(request.headers.get("authorization", "")):
                raise no_key(vertex=True)
            return
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        if not key:
            said = "Method doesn't allow unregistered callers (callers without established identity)."
            raise Refusal(403, said)
        if self.api_key is not None and key != self.api_key:
            raise no_key(vertex=False)


def build(_: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """The Gemini API; any key is right unless one is named."""
    dials, journal = Dials(SCENARIOS, ("submit",), start), Journal()
    content = Content(dials, journal, api_key, None)
    return Simulator("gemini", [Route("/v1beta/models/{call}", content.generate, methods=["POST"])], dials, journal)


def build_vertex(_: Links | None = None, start: Setting | None = None, api_key: str | None = None) -> Simulator:
    """Vertex AI of any project and location, with its token endpoint; any token is right unless one is named."""
    dials, journal = Dials(SCENARIOS, ("submit",), start), Journal()
    tokens = Tokens(journal, api_key)
    content = Content(dials, journal, api_key, tokens)
    path = "/v1/projects/{project}/locations/{location}/publishers/google/models/{call}"
    routes = [
        Route(path, content.generate, methods=["POST"]),
        Route("/token", tokens.exchange, methods=["POST"]),
    ]
    return Simulator("vertex", routes, dials, journal, forget=tokens.forget)
