"""What must hold inside one model file before anybody uses it, and the names that follow from it."""

from typing import TYPE_CHECKING, Any, Literal

from common.catalogue.base import DIALECTS, Dialect, class_of
from common.catalogue.parameters import Choice, Integer, Parameter
from common.catalogue.pricing import Dimension, ModeClass, written
from common.catalogue.sizes import TIERS

if TYPE_CHECKING:
    from common.catalogue.declared import Declared
    from common.catalogue.model import Model
    from common.catalogue.routes import Route

LINKED = frozenset({"fal-queue", "replicate"})
"""Protocols whose outputs always come by URL."""


def vocabulary(model: "Model", dialect: Dialect) -> dict[str, str]:
    """What each field means; raises ValueError when one name means two things."""
    meanings: dict[str, str] = {}
    named = [(name, known.names.get(dialect, (name,))) for name, known in model.parameters.items()]
    named += [(name, (name,)) for name in [*model.texts, *model.tolerated]]
    for meaning, names in named:
        for name in names:
            if name in meanings:
                raise ValueError(f"{name} means both {meanings[name]} and {meaning} in the dialect {dialect}")
            meanings[name] = meaning
    return meanings


def parameters_schema(model: "Model", dialect: Dialect, language: Literal["en", "ja"]) -> dict[str, Any]:
    """JSON schema of the fields of a dialect; where a parameter has several names, the first one."""
    properties: dict[str, dict[str, Any]] = {}
    required: list[str] = []
    for name, text in model.texts.items():
        properties[name] = text.property_schema() | _about(text.about, language)
        required += [name] if text.required else []
    for name, parameter in model.parameters.items():
        default = {} if parameter.default is None else {"default": parameter.default}
        first = parameter.names.get(dialect, (name,))[0]
        as_text = isinstance(parameter, Integer) and dialect in parameter.text
        written = {"type": ["string", "integer"]} if as_text else {}
        properties[first] = parameter.property_schema() | written | _about(parameter.about, language) | default
        required += [first] if parameter.required else []
    for translation in model.translations:
        if dialect in translation.dialects:
            for field, schema in translation.properties().items():
                either = [properties[field], schema] if field in properties else []
                properties[field] = {"anyOf": either} if either else schema
    for role, known in model.inputs.items():
        for field in known.fields.get(dialect, ())[:1]:
            types = ", ".join(known.media_types)
            about = {"description": f"URL of {types}, at most {known.max_bytes} bytes."}
            one = {"type": "string", "format": "uri"}
            most = max(mode.inputs.get(role, (0, 1))[1] for mode in model.modes.values())
            several = {"type": "array", "items": one, "maxItems": most}
            properties[field] = ({"anyOf": [one, several]} if most > 1 else one) | about
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _about(words: Any, language: Literal["en", "ja"]) -> dict[str, str]:
    return {} if words is None else {"title": getattr(words, language)}


def verify(model: "Model") -> None:
    """Every name leads somewhere and nothing is said twice; raises ValueError with the key's path."""
    for dialect in DIALECTS:
        vocabulary(model, dialect)
    parameters = set(model.parameters)
    for translation in model.translations:
        _within("translations.sets", translation.sets, parameters)
    for index, rule in enumerate(model.rules):
        _within(f"rules.{index}", [*rule.subjects, *rule.then], parameters)
        _within(f"rules.{index}.modes", rule.modes, set(model.modes))
    for index, exception in enumerate(model.single_route):
        _within(f"single_route.{index}", exception.subjects, parameters)
        _within(f"single_route.{index}.modes", exception.modes, set(model.modes))
    counted = [] if model.price.outputs is None else [model.price.outputs]
    for name, known in model.parameters.items():
        if known.required and known.default is not None:
            raise ValueError(f"parameters.{name}: what is required has no default")
    always = {name for name, known in model.parameters.items() if known.required or known.default is not None}
    _within("price", [*counted, *model.price.times], always)
    for part in model.price.by:
        if isinstance(part, ModeClass):
            if set(part.modes) != set(model.modes):
                raise ValueError("price.by: modes must name every mode of the model, and no other")
            continue
        _within("price", [part.parameter], always)
        if part.words:
            reachable = [written(value) for value in model.parameters[part.parameter].reachable()]
            _within("price.by.words", reachable, set(part.words))
        if part.steps:
            _verify_classes(part, model.parameters[part.parameter])
    for name, mode in model.modes.items():
        _within(f"modes.{name}.inputs", mode.inputs, set(model.inputs))
    if model.declared is not None:
        _verify_declared(model, model.declared, always)
    seen = model.declared.of_source if model.declared else frozenset()
    for route in model.routes:
        _verify_route(model, route, parameters - set(counted) - seen)
    if any(not route.synchronous for route in model.routes):
        ages = [step.from_age_ms for step in model.polling]
        if ages[:1] != [0] or ages != sorted(set(ages)):
            raise ValueError("polling: needs steps of rising age, the first one from age 0")


def _verify_classes(part: Dimension, declared: Parameter) -> None:
    """Only numbers have classes, and the last class holds the largest of them."""
    largest: int | None = None
    if declared.type == "integer":
        largest = declared.maximum
    elif declared.type == "pixels":
        largest = declared.max_pixels
    if largest is None:
        raise ValueError(f"price.by: {part.parameter} is no number and has no classes")
    if class_of(largest, part.steps) is None:
        raise ValueError(f"price.by: {part.parameter} can be above its last class")


def _verify_declared(model: "Model", declared: "Declared", always: set[str]) -> None:
    """What is declared can be measured: a number of seconds, resolutions that are known, outputs that are fetched."""
    _within("declared", [declared.seconds, declared.resolution, declared.tier], always)
    seconds, tier = model.parameters[declared.seconds], model.parameters[declared.tier]
    if not isinstance(seconds, Integer) or not isinstance(tier, Choice) or not set(tier.values) <= set(TIERS):
        raise ValueError("declared: needs a number of seconds, and a tier of known resolutions")
    for route in model.routes:
        if route.protocol not in LINKED:
            raise ValueError(f"declared: {route.provider} gives its outputs inline, where nobody measures them")


def _verify_route(model: "Model", route: "Route", told: set[str]) -> None:
    """A route must say of every parameter, text and input what becomes of it."""
    at = f"routes.{route.provider}"
    _within(f"{at}.upstream", route.upstream, set(model.modes))
    _within(f"{at}.texts", route.texts, set(model.texts))
    _within(f"{at}.inputs", route.inputs, set(model.inputs))
    _within(f"{at}.inputs_in", route.inputs_in, set(route.upstream))
    for renamed in route.inputs_in.values():
        _within(f"{at}.inputs_in", renamed, set(route.inputs))
    _within(f"{at}.loss.skus", route.loss.skus if route.loss else (), set(model.price.seed_microusd))
    for name, text in model.texts.items():
        if text.required and name not in route.texts:
            raise ValueError(f"{at}.texts: {name} is required and has no field there")
    for mode in route.upstream:
        _within(f"modes.{mode}.inputs at {at}", model.modes[mode].inputs, set(route.inputs))
    _within(f"{at}.takes", [*route.takes, *route.limits], set(route.send))
    for name, sent in route.send.items():
        _within(f"{at}.send.{name}.modes", sent.modes, set(route.upstream))
        if sent.of is not None:
            _verify_factor(f"{at}.send.{name}", [model.parameters[name], model.parameters.get(sent.of)])
    both = set(route.send) & set(route.without)
    if both or set(route.send) | set(route.without) != told:
        odd = sorted(both | ((set(route.send) | set(route.without)) ^ told))
        raise ValueError(f"{at}: {', '.join(odd)} must be in exactly one of send and without, and declared")
    if set(route.cost_microusd) != set(model.price.seed_microusd):
        odd = sorted(set(route.cost_microusd) ^ set(model.price.seed_microusd))
        raise ValueError(f"{at}.cost_microusd: {', '.join(odd)} must have both a cost and a seed price")


def _verify_factor(at: str, parameters: list[Parameter | None]) -> None:
    """Both are resolutions, and always there."""
    for known in parameters:
        always = known is not None and (known.required or known.default is not None)
        if not always or not isinstance(known, Choice) or not set(known.values) <= set(TIERS):
            raise ValueError(f"{at}: a factor needs two known resolutions that are always said")


def _within(at: str, names: Any, known: set[str]) -> None:
    """All names are known; raises ValueError."""
    for name in names:
        if name not in known:
            raise ValueError(f"{at}: {name} is not declared, or has no default where it needs one")
