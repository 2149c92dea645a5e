"""Proofs about one model: every request that can be made has a price, and two routes unless the file says why."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from common.catalogue.base import DIALECTS, Scalar
from common.catalogue.conditions import Parameters
from common.catalogue.errors import InvalidParameter
from common.catalogue.model import Model
from common.catalogue.parameters import Choice, Flag
from common.catalogue.pricing import Dimension, seed_price_microusd

_MOST_COMBINATIONS = 200_000


@dataclass(frozen=True, slots=True)
class Margin:
    """What one unit of a SKU leaves on one route, in micro-dollars."""

    sku: str
    provider: str
    price_microusd: int
    cost_microusd: int
    admitted: bool

    @property
    def left_microusd(self) -> int:
        """Negative when the unit costs more than it is sold for."""
        return self.price_microusd - self.cost_microusd


def margins(model: Model) -> list[Margin]:
    """Every SKU on every route."""
    return [
        Margin(
            f"{model.id}:{key}", route.provider, price, route.cost_microusd[key], admitted=_admits(route.loss, key)
        )
        for key, price in model.price.seed_microusd.items()
        for route in model.routes
    ]


def _admits(loss: object, key: str) -> bool:
    return key in getattr(loss, "skus", ())


def combinations(model: Model) -> Iterator[tuple[str, dict[str, Scalar]]]:
    """Mode and canonical parameters of every kind of request that no rule forbids.

    Numbers and sizes stand for their price class by their first and last value, or by the ends of their range.
    """
    names = [name for name in model.parameters if name != model.price.outputs]
    choices = [_samples(model, name) for name in names]
    for mode in model.modes:
        for count, values in enumerate(itertools.product(*choices)):
            assert count < _MOST_COMBINATIONS, f"{model.id} has too many combinations to walk"
            parameters = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            if not any(rule.broken_by(mode, parameters) for rule in model.rules):
                yield mode, parameters


def _samples(model: Model, name: str) -> list[Scalar | None]:
    """Values that stand for all values of a parameter; None is leaving it out."""
    declared = model.parameters[name]
    absent: list[Scalar | None] = [] if declared.required or declared.default is not None else [None]
    dimension = next(
        (part for part in model.price.by if isinstance(part, Dimension) and part.parameter == name), None
    )
    if isinstance(declared, Choice | Flag):
        return [*absent, *declared.reachable()]
    if dimension is None:
        return [*absent, *_ends(declared.reachable())]
    return [*absent, *_ends_of_classes(model, dimension)]


def _ends_of_classes(model: Model, dimension: Dimension) -> list[Scalar]:
    """The first and the last value of every price class; walks every value, so none is without a class."""
    declared = model.parameters[dimension.parameter]
    classes: dict[str, list[Scalar]] = {}
    for value in declared.reachable():
        classes.setdefault(dimension.of({dimension.parameter: value}, declared), []).append(value)
    return [value for members in classes.values() for value in _ends(members)]


def _ends(values: Iterable[Scalar]) -> list[Scalar]:
    walked = list(values)
    return list(dict.fromkeys([walked[0], walked[-1]]))


def check(model: Model) -> list[str]:
    """What is wrong with the model, each in a sentence; empty when all proofs hold."""
    complaints = Counter[str]()
    sold: set[str] = set()
    excused = Counter[str]()
    for mode, parameters in combinations(model):
        sku = _price_of(model, mode, parameters, complaints)
        sold.add(sku)
        for dialect in DIALECTS:
            fields = {model.name_in(dialect, name, {}): value for name, value in parameters.items()}
            texts = {name: "x" for name, text in model.texts.items() if text.required}
            inputs = {role: fewest for role, (fewest, _) in model.modes[mode].inputs.items() if fewest}
            try:
                request = model.request(dialect, fields | texts, inputs)
            except InvalidParameter as error:
                complaints[f"{dialect} {mode}: refused although no rule forbids it: {error.message}"] += 1
                continue
            if (request.mode, request.parameters, request.sku) != (mode, parameters, sku):
                complaints[f"{dialect} {mode}: is understood as something else ({request.mode}, {request.sku})"] += 1
        _count_routes(model, mode, parameters, complaints, excused)
    stale = [exception.because for exception in model.single_route if exception.because not in excused]
    complaints.update(f"single_route: no request needs the excuse: {because}" for because in stale)
    unsold = set(model.seed_prices) - sold
    complaints.update(f"price: no request is ever sold as {sku}" for sku in sorted(unsold))
    return [*(f"{text} ({times} times)" for text, times in complaints.items()), *_money(model)]


def excuses(model: Model) -> Counter[str]:
    """Why some combinations have fewer than two routes, with how many they are."""
    excused = Counter[str]()
    for mode, parameters in combinations(model):
        _count_routes(model, mode, parameters, Counter(), excused)
    return excused


def _price_of(model: Model, mode: str, parameters: Parameters, complaints: Counter[str]) -> str:
    sku = model.sku(mode, parameters)
    if sku not in model.seed_prices:
        complaints[f"price: {sku} can be asked for and has no price"] += 1
    return sku


def _count_routes(
    model: Model, mode: str, parameters: Parameters, complaints: Counter[str], excused: Counter[str]
) -> None:
    """Fewer than two routes need an excuse; none at all has no excuse."""
    able = model.routes_for(mode, parameters)
    if len({route.provider for route in able}) >= 2:
        return
    reasons = [exception.because for exception in model.single_route if exception.holds(mode, parameters)]
    excused.update(reasons)
    if not able or not reasons:
        whys = (route.why_not(mode, parameters) for route in model.routes)
        why = "; ".join(why for why in whys if why is not None)
        complaints[f"routes: {len(able)} for a request, and no word about it: {why}"] += 1


def _money(model: Model) -> list[str]:
    """Prices follow from the first route's cost, and losses are exactly the admitted ones."""
    first = model.routes[0]
    wanted = {key: seed_price_microusd(cost) for key, cost in first.cost_microusd.items()}
    complaints = [
        f"price: {key} is {price}, the first route's cost and the margin make {wanted[key]}"
        for key, price in model.price.seed_microusd.items()
        if price != wanted[key]
    ]
    for margin in margins(model):
        if margin.left_microusd < 0 and not margin.admitted:
            complaints.append(
                f"margin: {margin.sku} loses {-margin.left_microusd} on {margin.provider}, not admitted"
            )
        if margin.left_microusd >= 0 and margin.admitted:
            complaints.append(f"margin: {margin.sku} loses nothing on {margin.provider}, the admission is stale")
    return complaints
