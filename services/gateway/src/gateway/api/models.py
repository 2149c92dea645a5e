"""``GET /v1/models``: OpenAI's list, with what a customer wants to know before sending anything."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from common.catalogue import Catalogue, Model
from common.credits import to_credits
from gateway.api.answers import answer
from gateway.api.desk import Desk
from gateway.billing_api import BillingApi, PriceList, Upcoming
from gateway.domain.availability import is_available
from gateway.errors import NotFound


class Models:
    """The catalogue as customers see it."""

    def __init__(
        self, desk: Desk, catalogue: Catalogue, billing: BillingApi, providers: frozenset[str] | None
    ) -> None:
        self._providers = providers
        self._desk = desk
        self._catalogue = catalogue
        self._billing = billing

    async def list(self, request: Request) -> Response:
        """All models."""
        caller = await self._desk.caller(request)
        prices = await self._billing.prices(caller.account_id, caller.opened_at)
        return answer({"object": "list", "data": [self._shown(model, prices) for model in self._catalogue.models]})

    async def retrieve(self, request: Request) -> Response:
        """One model by its id or an alias."""
        caller = await self._desk.caller(request)
        model = self._catalogue.find(request.path_params["id"])
        if model is None:
            raise NotFound("This model does not exist.", code="model_not_found", param="model")
        return answer(self._shown(model, await self._billing.prices(caller.account_id, caller.opened_at)))

    def _shown(self, model: Model, prices: PriceList | None) -> dict[str, Any]:
        return _view(model, prices, available=is_available(model, self._providers))


def _view(model: Model, prices: PriceList | None, *, available: bool) -> dict[str, Any]:
    """``prices`` None: billing does not answer just now, and nothing is guessed."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "shutdown_date": None,
        "title": model.title.en,
        "description": model.description.en,
        "kind": model.kind,
        "available": available,
        "aliases": list(model.aliases),
        "prices": None if prices is None else _prices(model, prices),
        "parameters": model.parameters_schema("openai"),
        "native_parameters": model.parameters_schema("native"),
    }  # fmt: skip


def _prices(model: Model, prices: PriceList) -> list[dict[str, Any]]:
    return [
        {
            "sku": sku,
            "credits": to_credits(price),
            "unit": "image" if model.kind == "image" else "second",
            "upcoming": _upcoming(prices.upcoming.get(sku), price),
        }
        for sku, price in sorted(prices.now.items())
        if sku.startswith(f"{model.id}:")
    ]


def _upcoming(price: Upcoming | None, now_microusd: int) -> dict[str, Any] | None:
    if price is None or price.unit_price_microusd == now_microusd:  # who signed up after it was announced pays it
        return None
    return {"credits": to_credits(price.unit_price_microusd), "effective_at": int(price.effective_at.timestamp())}
