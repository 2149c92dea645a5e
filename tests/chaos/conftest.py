"""Chaos has a stack of its own: it gets hurt."""

from collections.abc import AsyncIterator, Iterator

import pytest

from support.audit import audit, settled
from support.stack import Stack, running_stack


@pytest.fixture(scope="session")
def chaos_stack() -> Iterator[Stack]:
    with running_stack("chaos", DISPATCHER_BREAKER_COOL_DOWN_S="2") as running:
        yield running


@pytest.fixture
async def stack(chaos_stack: Stack) -> AsyncIterator[Stack]:
    """Healthy before every test; sound after it: the books of everything that ever ran here are audited.

    A fresh dispatcher has forgotten what the test before did to the providers: all breakers are closed.
    """
    await chaos_stack.reset()
    await chaos_stack.restarted("DISPATCHER", chaos_stack.kill("DISPATCHER"))
    await chaos_stack.ready()
    yield chaos_stack
    await chaos_stack.ready()
    await chaos_stack.reset()
    await settled(chaos_stack)
    verdict = audit(chaos_stack)
    print(f"\n    books: {verdict}")
    assert verdict.problems == ()
