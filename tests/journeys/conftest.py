from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import openai
import pytest
import pytest_asyncio

from support.matrix import REPORT, lines
from support.stack import Stack

Sdk = Callable[..., openai.AsyncOpenAI]


@pytest_asyncio.fixture
async def sdk(stack: Stack) -> AsyncIterator[Sdk]:
    """``sdk(account)``: a stock SDK client that is closed when the test ends."""
    async with AsyncExitStack() as closing:

        def client(*arguments: object, **options: object) -> openai.AsyncOpenAI:
            made = stack.client(*arguments, **options)  # type: ignore[arg-type]
            closing.push_async_callback(made.close)
            return made

        yield client


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix belongs into the report, whether or not anything failed."""
    if REPORT:
        terminalreporter.section("models, modes, routes (credits)")
        for line in lines():
            terminalreporter.write_line(line)
