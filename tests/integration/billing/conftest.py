"""A fresh ledger per test; every test ends with all invariants evaluated."""

from collections.abc import AsyncIterator

import pytest

from support.ledger import Ledger, a_ledger
from support.postgres import Postgres


@pytest.fixture
async def ledger(postgres: Postgres) -> AsyncIterator[Ledger]:
    async with a_ledger(postgres.fresh_database("billing")) as ledger:
        yield ledger
        await ledger.assert_sound()


@pytest.fixture
async def quick_ledger(postgres: Postgres) -> AsyncIterator[Ledger]:
    """Holds expire with their deadline."""
    async with a_ledger(postgres.fresh_database("billing"), expire_after_deadline_s=0.001) as ledger:
        yield ledger
        await ledger.assert_sound()
