"""Three sizes of every heavy proof, one parameter: ``PROOF=test`` (CI), ``prove`` (the figures), ``long``."""

import os

PROOF = os.environ.get("PROOF", "test")
assert PROOF in {"test", "prove", "long"}, f"PROOF={PROOF}: it is test, prove or long"


def size(*, test: int, prove: int, long: int | None = None) -> int:
    """The figure for this run."""
    return {"test": test, "prove": prove, "long": prove if long is None else long}[PROOF]
