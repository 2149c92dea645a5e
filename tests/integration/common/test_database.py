"""One way to the database: what is away is told apart from what is wrong, and connections heal by themselves."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy.exc import SQLAlchemyError

from common.database import Database
from common.messaging import CannotReach
from common.messaging.unforeseen import told
from support.postgres import Postgres
from support.proxy import FaultProxy

POOL = 3
CANARY = "canary-in-a-row"


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


async def test_a_plan_made_while_a_table_is_small_is_right_for_a_large_one(database: Database) -> None:
    batch = """
        explain select state from json_to_recordset(%(items)s::json) as given (job_id uuid)
        join reservations using (job_id)
    """
    plan = "\n".join(row["QUERY PLAN"] for row in await database.fetch(batch, {"items": "[]"}))
    assert "Index Scan using reservations_pkey" in plan
    assert "Seq Scan on" not in plan


async def test_a_statement_over_whole_tables_is_planned_freely_and_the_next_one_is_not(database: Database) -> None:
    ask = "select current_setting('enable_hashjoin') as joins, current_setting('plan_cache_mode') as plans"
    assert await database.survey(ask, limit_s=5) == [{"joins": "on", "plans": "force_custom_plan"}]
    assert await numbers(database)
    kept = [await database.fetch(ask) for _ in range(2 * POOL)]
    assert kept == [[{"joins": "off", "plans": "force_generic_plan"}]] * (2 * POOL)


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
    async with asyncio.timeout(5):
        with pytest.raises(CannotReach):
            await nobody.fetch("select 1")
        assert not await nobody.ready()
    await nobody.stop()


async def test_a_frozen_server_cannot_be_reached_and_is_used_again_when_it_wakes(postgres: Postgres) -> None:
    proxy, url = await FaultProxy.before(postgres.fresh_database("billing").service_url)
    database = Database(url, pool_size=1)
    await database.start()
    await database.fetch("select 1")
    proxy.hang(True)
    async with asyncio.timeout(25):
        with pytest.raises(CannotReach):
            await database.fetch("select 1", limit_s=0.5)
        with pytest.raises(CannotReach):  # no new connection comes about either
            await database.fetch("select 1")
        assert not await database.ready()
    proxy.hang(False)
    assert (await database.fetch("select 1 as n"))[0]["n"] == 1
    await database.stop()
    await proxy.stop()


async def test_a_transaction_does_not_wait_for_a_frozen_server_either(postgres: Postgres) -> None:
    proxy, url = await FaultProxy.before(postgres.fresh_database("billing").service_url)
    database = Database(url, pool_size=1)
    await database.start()
    async with asyncio.timeout(25):
        with pytest.raises(CannotReach):
            async with database.transaction(limit_s=0.5) as tx:
                await tx.fetch("select 1")
                proxy.hang(True)
                await tx.fetch("select 1")
    proxy.hang(False)
    assert (await database.fetch("select 1 as n"))[0]["n"] == 1
    await database.stop()
    await proxy.stop()


async def test_a_statement_past_its_limit_is_cancelled_and_a_longer_limit_lets_it_run(database: Database) -> None:
    with pytest.raises(CannotReach):
        await database.fetch("select pg_sleep(20)", limit_s=0.2)
    running = await database.fetch("select count(*) as n from pg_stat_activity where query = 'select pg_sleep(20)'")
    assert running[0]["n"] == 0
    await database.fetch("select pg_sleep(0.4)", limit_s=5)
    assert [one[0]["n"] for one in await numbers(database)] == [0, 1, 2]


async def test_a_dead_line_is_noticed_by_the_kernel(database: Database) -> None:
    async with database._cursor(1) as cursor:
        set_to = cursor.connection.info.get_parameters()
    assert (set_to["keepalives_idle"], set_to["tcp_user_timeout"]) == ("10", "15000")


async def test_the_text_of_an_error_names_no_parameters(database: Database) -> None:
    with pytest.raises(SQLAlchemyError) as caught:
        async with database.transaction() as tx:
            await tx.fetch("select 1 / 0 where %(text)s::text <> ''", {"text": CANARY})
    assert CANARY not in str(caught.value)


async def test_of_a_databases_error_the_log_holds_kinds_and_places_only(database: Database) -> None:
    async def handle() -> None:
        try:
            await database.execute("select %(text)s::text::int", {"text": CANARY})
        except psycopg.Error as error:
            assert CANARY in str(error)
            raise RuntimeError(f"while working: {error}") from error

    with pytest.raises(RuntimeError) as caught:
        await handle()
    fields = told(caught.value)
    assert CANARY not in str(fields)
    assert fields["kinds"] == ["RuntimeError", "InvalidTextRepresentation"]
    assert any(place.endswith(" handle") for place in fields["places"])
    assert told(ZeroDivisionError()).keys() == {"exc_info"}
