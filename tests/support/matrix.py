"""What the matrix of models, modes and routes has seen; printed at the end of the run."""

from collections.abc import Iterator

REPORT: list[tuple[str, str, str, float]] = []
"""Model, mode, provider, credits."""
UNRECORDED: set[str] = set()
"""Models with nothing to compare with."""


def lines() -> Iterator[str]:
    """A line per model and mode: each route it was served by, with its price."""
    served: dict[tuple[str, str], list[str]] = {}
    for model, mode, provider, price in REPORT:
        served.setdefault((model, mode), []).append(f"{provider} {price:g}")
    for (model, mode), routes in served.items():
        note = (
            "   NOT RECORDED: WRITE_MATRIX=1 writes what providers are told, to be read"
            if model in UNRECORDED
            else ""
        )
        yield f"{model:<24}{mode:<20}{', '.join(routes)}{note}"
