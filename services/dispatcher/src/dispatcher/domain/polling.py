"""When an upstream is asked again how a generation is doing."""

JITTER = 0.1
"""Share by which an interval is lengthened at random, so that ten thousand polls do not march in step."""


def pause_s(planned_s: float, wish_s: float | None, chance: float) -> float:
    """Seconds until the next poll: as planned for the generation's age, never under the provider's wish.

    ``chance`` in [0, 1) is the draw for the jitter, handed in so that a test can choose it.
    """
    assert planned_s > 0, "a poll plan never says: at once"
    return max(planned_s, wish_s or 0) * (1 + JITTER * chance)
