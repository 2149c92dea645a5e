"""``GET /status`` for people, ``GET /api/v1/status`` for machines: how well each model is served now. No key needed.

Providers are not named: which ones there are is the operator's business.
"""

import time
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from common.catalogue import Catalogue, Model
from gateway.api.answers import answer
from gateway.api.docs import HEADERS, STYLE
from gateway.domain.health import Health, ModelHealth, Standing

_REFRESH_S = 10
_FRESH = {"cache-control": "no-store"}
_COLOURS = {
    Standing.OPERATIONAL: "#1a7f37",
    Standing.DEGRADED: "#9a6700",
    Standing.RECOVERING: "#9a6700",
    Standing.UNAVAILABLE: "#cf222e",
}
_WORDS = {
    Standing.OPERATIONAL: "All models are served.",
    Standing.DEGRADED: "All models are served, some by fewer routes than usual.",
    Standing.RECOVERING: "Some models are just being tried again.",
    Standing.UNAVAILABLE: "Some models cannot be served just now; requests for them fail and are not charged.",
}
_WORST_LAST = list(Standing)


class Status:
    """The page and its JSON, drawn from what dispatchers say."""

    def __init__(self, catalogue: Catalogue, providers: frozenset[str] | None, health: Health) -> None:
        self._offered = [(model, _configured(model, providers)) for model in catalogue.models]
        self._health = health

    async def json(self, _: Request) -> Response:
        """Standing of every model that is offered here."""
        found = self._now()
        data = [
            {"model": model.id, "status": one.standing.value, "routes": one.routes, "routes_well": one.well}
            for model, one in found
        ]
        return answer({"object": "status", "status": _worst(found).value, "data": data}, headers=_FRESH)

    async def page(self, _: Request) -> Response:
        """The same to look at; it renews itself."""
        return Response(_page(self._now()), media_type="text/html; charset=utf-8", headers=HEADERS | _FRESH)

    def _now(self) -> list[tuple[Model, ModelHealth]]:
        now = time.monotonic()
        return [(model, self._health.of(model.id, routes, now)) for model, routes in self._offered if routes]


def _configured(model: Model, providers: frozenset[str] | None) -> list[str]:
    return [route.provider for route in model.routes if providers is None or route.provider in providers]


def _worst(found: list[tuple[Model, ModelHealth]]) -> Standing:
    return max((one.standing for _, one in found), key=_WORST_LAST.index, default=Standing.OPERATIONAL)


def _page(found: list[tuple[Model, ModelHealth]]) -> bytes:
    rows = "".join(_row(model, one) for model, one in found)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="{_REFRESH_S}">
<title>reAPI status</title><style>{STYLE}</style></head><body><main>
<h1>Status</h1>
<p>{escape(_WORDS[_worst(found)])}</p>
<table><thead><tr><th>Model</th><th>Now</th><th>Routes</th></tr></thead><tbody>{rows}</tbody></table>
</main></body></html>""".encode()


def _row(model: Model, one: ModelHealth) -> str:
    mark = f'<span style="color:{_COLOURS[one.standing]}" aria-hidden="true">&#9679;</span>'
    return (
        f"<tr><td>{escape(model.title.en)}<br><code>{escape(model.id)}</code></td>"
        f'<td style="white-space:nowrap">{mark} {one.standing.value.capitalize()}</td>'
        f"<td>{one.well} of {one.routes}</td></tr>"
    )
