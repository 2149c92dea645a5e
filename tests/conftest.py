"""Fixtures every test may use; each starts real servers, once per run, and only when a test asks for them."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from support.postgres import Postgres, running_postgres
from support.providers import Providers, running_providers
from support.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack as ``make up`` starts it, shared by all tests that do not hurt it."""
    with running_stack("tests") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    yield from running_postgres()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_providers() -> AsyncIterator[Providers]:
    """The providers' stand-ins in this process."""
    async with running_providers() as running:
        yield running


@pytest.fixture
async def providers(shared_providers: Providers) -> Providers:
    """The same, all well, and nobody has asked them for anything."""
    shared_providers.reset()
    return shared_providers


@pytest.fixture(scope="session")
def amqp_url(request: pytest.FixtureRequest) -> str:
    """A RabbitMQ: the stack's own, unless ``TEST_AMQP_URL`` names another."""
    given = os.environ.get("TEST_AMQP_URL")
    return given or request.getfixturevalue("broker")["AMQP_URL"]


@pytest.fixture(scope="session")
def broker() -> Iterator[Stack]:
    """Infrastructure without services, so that nobody else consumes from the queues."""
    with running_stack("broker", only="infrastructure") as running:
        yield running
