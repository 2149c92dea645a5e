"""What must always hold, counted in production on a timer and by tests.

* no result waits for its message longer than 30 s (M1, M3);
* no job is without a verdict past its deadline and some slack (J5).
"""

from common import telemetry
from dispatcher import metrics
from dispatcher.repository.results import Results

log = telemetry.logger(__name__)


async def watch(results: Results, slack_s: float) -> dict[str, int]:
    """Count violations, set the gauge, and log what is not zero. Raises CannotReach."""
    found = await results.violations(slack_s)
    for name, count in found.items():
        metrics.violations.set(count, f"dispatcher_{name}")
        if count:
            log.error("invariant_violated", invariant=name, count=count)
    return found
