"""What is written for a few jobs costs the same however many jobs lie in the table, also where it was planned when
there were none.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from common.database import _SERVER_OPTIONS
from common.ids import new_id, new_job_id
from common.records import as_records
from dispatcher.repository import progress
from support.postgres import Postgres

MANY = 5_000
FILL = """
insert into dispatcher.jobs (job_id, account_id, model, kind, mode, outputs, parameters, epoch, deadline_at,
    synchronous, livemode, replica, state, verdict, finished_at, published_at)
select gen_random_uuid(), gen_random_uuid(), 'm', 'image', 'text', 1, '{}', 'e', now(), true, true, 'r', 'done', '{}',
    now(), now()
from generate_series(1, %(many)s)
"""


def rows_touched(plan: dict[str, Any]) -> Iterator[int]:
    """How many rows each step of a plan took in its hands."""
    seen = plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0)
    yield int((seen + plan.get("Rows Removed by Join Filter", 0)) * plan.get("Actual Loops", 1))
    for step in plan.get("Plans", ()):
        yield from rows_touched(step)


@pytest.mark.parametrize("name", ["_STEP", "_ACCEPT", "_FINISH"])
def test_no_statement_walks_the_table(name: str, postgres: Postgres) -> None:
    urls = postgres.fresh_database("dispatcher")
    statement = getattr(progress, name).replace("%(owner)s", "$1").replace("%(items)s", "$2")
    items = as_records([{"job_id": new_job_id(), "generation": 1} for _ in range(10)])
    explain = f"explain (analyze, format json) execute written ('{new_id()}', '{items}')"
    with psycopg.connect(urls.service_url, autocommit=True, options=_SERVER_OPTIONS) as connection:
        connection.execute(f"prepare written (uuid, text) as {statement}")
        connection.execute(explain)
        with psycopg.connect(urls.admin_url, autocommit=True) as administrator:
            administrator.execute(FILL, {"many": MANY})
        row = connection.execute(explain).fetchone()
    assert row is not None
    assert max(rows_touched(row[0][0]["Plan"])) < 500
