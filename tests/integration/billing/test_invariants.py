"""The alarms ring: each invariant is broken on purpose and found."""

from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from billing.invariants import count_violations
from common.clock import now
from support.ledger import PRICE, Ledger, a_job, a_ledger, stored
from support.postgres import Postgres

SABOTAGE = {
    "L1": "insert into entries select max(transaction_id), gen_random_uuid(), 'purchased', 5 from transactions",
    "L2": "update accounts set purchased_microusd = purchased_microusd + 1, changed_at = now()",
    "L3": "alter table accounts drop constraint accounts_purchased_microusd_check;"
    " update accounts set purchased_microusd = -1, changed_at = now()",
    "L4": "update accounts set held_microusd = held_microusd + 1, changed_at = now()",
    "L7": "alter table entries drop constraint entries_amount_microusd_check;"
    " insert into entries select max(transaction_id), gen_random_uuid(), 'purchased', 0 from transactions",
    "L8": "alter table transactions drop constraint transactions_operation_key;"
    " insert into transactions (operation, event, account_id, booked_at)"
    " select operation, event, account_id, booked_at from transactions",
    "J2": "update reservations set charged_microusd = 0, refunded_microusd = amount_microusd"
    " where state = 'captured'",
}


@pytest.fixture
async def sound_ledger(postgres: Postgres) -> AsyncIterator[Ledger]:
    """A ledger that a test may break."""
    async with a_ledger(postgres.fresh_database("billing")) as ledger:
        account = await ledger.account(microusd=3 * PRICE)
        done, held = a_job(account), a_job(account)
        await ledger.hold(done)
        await ledger.hold(held)
        await ledger.settle.stored(stored(done, 1))
        await ledger.assert_sound()
        yield ledger


@pytest.mark.parametrize("name", SABOTAGE)
async def test_a_broken_invariant_is_found(sound_ledger: Ledger, name: str) -> None:
    with psycopg.connect(sound_ledger.urls.admin_url) as connection:
        connection.execute("set search_path = billing; set session_replication_role = replica")
        connection.execute(SABOTAGE[name])
    for since in (None, now() - timedelta(minutes=1)):
        found = await count_violations(sound_ledger.database, *([since] if since else []))
        assert next(count for title, count in found.items() if title.startswith(name)) > 0, found
