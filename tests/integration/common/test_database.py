"""One way to the database: what is away is told apart from what is wrong, and connections heal by themselves."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from common.database import Database
from common.messaging import CannotReach
from support.postgres import Postgres

POOL = 3


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    found = Database(postgres.fresh_database("billing").service_url, pool_size=POOL)
    await found.start()
    yield found
    await found.stop()


def cut_all(postgres: Postgres, login: str = "reapi_billing") -> int:
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        cut = admin.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = %s", (login,)
        ).fetchone()
        assert cut is not None
        return cut[0]


async def numbers(database: Database, count: int = POOL) -> list[object]:
    """So many statements at once; what each came to."""
    return await asyncio.gather(
        *(database.fetch("select %(n)s::int as n, pg_sleep(0.02)", {"n": n}) for n in range(count)),
        return_exceptions=True,
    )


async def test_statements_cut_off_are_cannot_reach_and_the_next_ones_work(
    postgres: Postgres, database: Database
) -> None:
    running = [asyncio.create_task(database.fetch("select pg_sleep(30)")) for _ in range(POOL)]
    await asyncio.sleep(0.2)
    assert cut_all(postgres) == POOL
    failed = await asyncio.gather(*running, return_exceptions=True)
    assert [type(one) for one in failed] == [CannotReach] * POOL
    assert [one[0]["n"] for one in await numbers(database)] == [0, 1, 2]


async def test_one_failure_is_enough_to_renew_every_connection_that_died_with_it(
    postgres: Postgres, database: Database
) -> None:
    await numbers(database)
    assert cut_all(postgres) == POOL
    with pytest.raises(CannotReach):
        await database.fetch("select 1")
    assert [one[0]["n"] for one in await numbers(database)] == [0, 1, 2]


async def test_a_cancelled_statement_stops_and_its_connection_serves_again(database: Database) -> None:
    await numbers(database)
    slow = [asyncio.create_task(database.fetch("select pg_sleep(30)")) for _ in range(POOL)]
    await asyncio.sleep(0.1)
    for one in slow:
        one.cancel()
    assert [type(one) for one in await asyncio.gather(*slow, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * POOL
    async with asyncio.timeout(5):
        assert [one[0]["n"] for one in await numbers(database, 2 * POOL)] == list(range(2 * POOL))
    running = await database.fetch(
        "select count(*) as n from pg_stat_activity where query like 'select pg_sleep%%'", {}
    )
    assert running[0]["n"] == 0


async def test_a_wrong_statement_is_no_outage(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await database.fetch("select * from nowhere")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await database.execute("select 1 / %(n)s::int", {"n": 0})
    assert [one[0]["n"] for one in await numbers(database)] == [0, 1, 2]


async def test_single_statements_commit_by_themselves_and_a_transaction_only_at_its_end(database: Database) -> None:
    first, second = [(await database.fetch("select txid_current() as id"))[0]["id"] for _ in range(2)]
    assert first != second
    async with database.transaction() as tx:
        inside = {(await tx.fetch("select txid_current() as id"))[0]["id"] for _ in range(2)}
    assert len(inside) == 1


async def test_nobody_there_is_said_at_once() -> None:
    nobody = Database("postgresql://nobody@127.0.0.1:1/none")
    await nobody.start()
    async with asyncio.timeout(2):
        with pytest.raises(CannotReach):
            await nobody.fetch("select 1")
        assert not await nobody.ready()
    await nobody.stop()
