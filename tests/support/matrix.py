"""What the matrix of models, modes and routes has seen; printed at the end of the run."""

from collections.abc import Iterator

REPORT: list[tuple[str, str, str, float]] = []
"""Model, mode, provider, credits."""


def lines() -> Iterator[str]:
    """A line per model and mode: each route it was served by, with its price."""
    served: dict[tuple[str, str], list[str]] = {}
    for model, mode, provider, price in REPORT:
        served.setdefault((model, mode), []).append(f"{provider} {price:g}")
    for (model, mode), routes in served.items():
        yield f"{model:<24}{mode:<20}{', '.join(routes)}"
