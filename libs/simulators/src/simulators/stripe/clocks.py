"""Test clocks: a customer's time, moved forward at will."""

from simulators.stripe.errors import invalid
from simulators.stripe.forms import integer
from simulators.stripe.routing import Object, World, operation
from simulators.stripe.subscriptions import happen, next_due

_MOST_STEPS = 100_000


@operation("POST", "/v1/test_helpers/test_clocks")
def create_clock(world: World, params: Object) -> Object:
    """A clock that stands at a moment."""
    clock = world.new(
        "test_helpers.test_clock",
        deletes_after=world.now() + 30 * 86_400,
        frozen_time=integer(params, "frozen_time"),
        name=params.get("name"),
        status="ready",
        status_details={},
    )
    world.emit("test_helpers.test_clock.created", clock)
    return clock


@operation("GET", "/v1/test_helpers/test_clocks/{clock}")
def read_clock(world: World, _: Object, clock: str) -> Object:
    """One clock."""
    return world.get("test_helpers.test_clock", clock)


@operation("GET", "/v1/test_helpers/test_clocks")
def list_clocks(world: World, params: Object) -> Object:
    """Clocks, newest first."""
    return world.page("test_helpers.test_clock", params, "/v1/test_helpers/test_clocks")


@operation("POST", "/v1/test_helpers/test_clocks/{clock}/advance")
def advance_clock(world: World, params: Object, clock: str) -> Object:
    """Move it forward; whatever falls due on the way happens, in order. It is done when this answers."""
    one = world.get("test_helpers.test_clock", clock)
    target = integer(params, "frozen_time")
    if target <= one["frozen_time"]:
        raise invalid("You can only advance a test clock forward in time.", "frozen_time")
    try:
        run_until(world, clock, target)
    finally:
        world.at(None, None)
    world.save(one, frozen_time=target)
    world.emit("test_helpers.test_clock.ready", one)
    return one


def run_until(world: World, clock: str | None, target: int) -> int:
    """Let everything happen that falls due on a clock until then; how much that was."""
    for step in range(_MOST_STEPS):
        due = next_due(world, clock)
        if due is None or due[0] > target:
            return step
        world.at(clock, due[0])
        try:
            happen(world, due[1])
        finally:
            world.at(None, None)
    raise invalid("This clock has too much to do.", "frozen_time")
