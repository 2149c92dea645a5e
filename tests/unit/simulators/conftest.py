from collections.abc import AsyncIterator

import pytest_asyncio

from support.house import House, running_house


@pytest_asyncio.fixture(scope="session")
async def shared_house() -> AsyncIterator[House]:
    async with running_house() as house:
        yield house


@pytest_asyncio.fixture
async def house(shared_house: House) -> House:
    await shared_house.reset()
    return shared_house
