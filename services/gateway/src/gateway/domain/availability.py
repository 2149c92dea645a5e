"""Which models can be served at all, before anything is held."""

from common.catalogue import Model


def is_available(model: Model, providers: frozenset[str] | None) -> bool:
    """Whether any provider of the model is configured (``providers`` None: all are)."""
    return providers is None or any(route.provider in providers for route in model.routes)
