from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.gateway import RunningGateway, running_gateway
from support.postgres import Postgres
from support.stack import Stack


@pytest_asyncio.fixture(scope="module")
async def shared_gateway(
    postgres: Postgres, broker: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    keys: Path = tmp_path_factory.mktemp("keys")
    async with running_gateway(postgres, broker, keys, EGRESS_ALLOW_CIDRS="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def gateway(shared_gateway: RunningGateway) -> RunningGateway:
    shared_gateway.billing.clear()
    return shared_gateway
