"""Reading the field ``fallback``."""

from typing import Any

from common.catalogue import Dialect, Model
from gateway.domain.fallback import Fallback
from gateway.errors import InvalidRequest

_FORM = "fallback must be an object with enabled (true or false) and allow_lossy (a list of parameter names)."
_TRUTH = {"true": True, "false": False}


def fallback(said: Any, model: Model, dialect: Dialect) -> Fallback:
    """What the field says; of a form its values come as text.

    What the price depends on cannot be given away: nobody pays for 4K and gets less. Raises InvalidRequest.
    """
    if said is None:
        return Fallback()
    if not isinstance(said, dict) or said.keys() - {"enabled", "allow_lossy"}:
        raise InvalidRequest(_FORM, param="fallback")
    enabled, names = said.get("enabled", True), said.get("allow_lossy", [])
    enabled = _TRUTH.get(enabled, enabled) if isinstance(enabled, str) else enabled
    if not isinstance(enabled, bool) or not isinstance(names, list):
        raise InvalidRequest(_FORM, param="fallback")
    vocabulary = model.vocabulary[dialect]
    lossy = set()
    for name in names:
        meaning = vocabulary.get(name) if isinstance(name, str) else None
        if meaning not in model.parameters:
            raise InvalidRequest("allow_lossy may only name parameters of this model.", param="fallback")
        if meaning in model.price.decided_by:
            raise InvalidRequest(f"{name} decides the price, so it cannot be lost.", param="fallback")
        lossy.add(meaning)
    return Fallback(enabled, tuple(sorted(lossy)))
