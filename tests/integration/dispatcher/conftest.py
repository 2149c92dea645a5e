"""Real PostgreSQL, a real S3 endpoint, and the providers' stand-ins."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from support.dispatcher import RunningDispatcher, running_dispatcher
from support.postgres import FreshDatabase, Postgres
from support.providers import Providers
from support.s3 import S3, running_s3


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def shared_database(postgres: Postgres) -> FreshDatabase:
    return postgres.fresh_database("dispatcher")


@pytest.fixture
def database(shared_database: FreshDatabase) -> FreshDatabase:
    """One in which nobody left a job behind for the next dispatcher to take over."""
    with psycopg.connect(shared_database.admin_url, autocommit=True) as connection:
        connection.execute("truncate dispatcher.jobs, dispatcher.owners cascade")
    return shared_database


@pytest.fixture
async def dispatcher(
    database: FreshDatabase, s3: S3, keys: Path, providers: Providers
) -> AsyncIterator[RunningDispatcher]:
    async with running_dispatcher(database, s3, keys, providers.environ()) as running:
        yield running
