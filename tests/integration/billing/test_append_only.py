"""The database itself refuses what may never happen to the ledger."""

import psycopg
import pytest
from psycopg import errors

from common.ids import new_id
from support.ledger import PRICE, Ledger, a_job, failed, stored

FORBIDDEN = [
    *(
        f"{what} {table}" + change
        for table in ("entries", "transactions", "prices", "price_changes", "price_notices", "orders")
        for what, change in (("delete from", ""), ("truncate", " cascade"))
    ),
    "update entries set amount_microusd = amount_microusd + 1",
    "update transactions set operation = operation || '!'",
    "update prices set unit_price_microusd = 1",
    "update price_changes set effective_at = announced_at",
    "update price_notices set happened_at = happened_at - interval '14 days'",
    "delete from reservations",
    "truncate reservations",
    "delete from accounts",
    "truncate accounts",
]
ONLY_BY_GRANT = [
    "update reservations set amount_microusd = 1",
    "update reservations set job_id = gen_random_uuid()",
    "update accounts set account_id = gen_random_uuid()",
    "update orders set amount_cents = 1",
    "update stripe_customers set account_id = gen_random_uuid()",
    "delete from topups",
    "create table billing.mine (x int)",
    "alter table entries disable trigger all",
    "drop trigger append_only on entries",
]


@pytest.mark.parametrize("statement", [*FORBIDDEN, *ONLY_BY_GRANT])
async def test_the_service_cannot_rewrite_history(ledger: Ledger, statement: str) -> None:
    await _one_of_everything(ledger)
    with psycopg.connect(ledger.urls.service_url) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_not_even_the_administrator_rewrites_history(ledger: Ledger, statement: str) -> None:
    await _one_of_everything(ledger)
    with psycopg.connect(ledger.urls.admin_url) as connection:
        connection.execute("set search_path = billing")
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)


@pytest.mark.parametrize("state", ["held", "captured", "refunded", "refused"])
async def test_a_final_reservation_never_changes(ledger: Ledger, state: str) -> None:
    await _one_of_everything(ledger)
    with psycopg.connect(ledger.urls.service_url, autocommit=True) as connection:
        for final in ("captured", "refunded", "refused"):
            with pytest.raises(errors.CheckViolation):
                connection.execute(
                    "update reservations set state = %s, error_message = 'x' where state = %s", (state, final)
                )


async def test_a_reservation_cannot_start_settled(ledger: Ledger) -> None:
    with psycopg.connect(ledger.urls.service_url) as connection, pytest.raises(errors.CheckViolation):
        connection.execute(
            "insert into reservations (job_id, account_id, state, amount_microusd, synchronous, replica, decided_at,"
            " settled_at, delivered) values (gen_random_uuid(), gen_random_uuid(), 'captured', 0, true, '', now(),"
            " now(), '[]')"
        )


async def test_entries_that_do_not_balance_are_refused(ledger: Ledger) -> None:
    with psycopg.connect(ledger.urls.service_url) as connection, pytest.raises(errors.CheckViolation):
        _book(connection, 5, -4)


async def test_entries_need_their_transaction(ledger: Ledger) -> None:
    with psycopg.connect(ledger.urls.service_url) as connection, pytest.raises(errors.ForeignKeyViolation):
        account = new_id()
        connection.execute(
            "insert into entries values (999999999, %s, 'purchased', 1), (999999999, %s, 'held', -1)",
            (account, account),
        )


@pytest.mark.parametrize("amount", [0, 10**12 + 1])
async def test_amounts_have_bounds(ledger: Ledger, amount: int) -> None:
    with psycopg.connect(ledger.urls.service_url) as connection, pytest.raises(errors.CheckViolation):
        _book(connection, amount, -amount)


async def test_auditors_find_every_entry_and_every_balance(ledger: Ledger) -> None:
    await _one_of_everything(ledger)
    fetch = ledger.database.fetch
    entries = await fetch(
        "select account_id, purpose, sum(amount_microusd) as sum from audit_entries group by account_id, purpose"
    )
    balances = await fetch("select account_id, purpose, balance_microusd as sum from audit_balances")
    by_account = {(row["account_id"], row["purpose"]): row["sum"] for row in entries if row["sum"]}
    assert by_account == {(row["account_id"], row["purpose"]): row["sum"] for row in balances if row["sum"]}
    assert sum(by_account.values()) == 0
    columns = await fetch("select * from audit_entries limit 1")
    assert list(columns[0]) == [
        "transaction_id",
        "operation",
        "booked_at",
        "account_id",
        "purpose",
        "amount_microusd",
    ]


async def _one_of_everything(ledger: Ledger) -> None:
    account = await ledger.account(microusd=3 * PRICE)
    captured, refunded, held, refused = (a_job(account) for _ in range(4))
    for job in (captured, refunded, held, refused):
        await ledger.hold(job)
    await ledger.settle.stored(stored(captured, 1))
    await ledger.settle.failed(failed(refunded))


def _book(connection, *amounts: int) -> None:
    row = connection.execute(
        "insert into transactions (operation, event, account_id, booked_at)"
        " values ('test', 'credit', gen_random_uuid(), now()) returning transaction_id"
    ).fetchone()
    account = new_id()
    for_purposes = list(zip(("purchased", "held"), amounts, strict=True))
    connection.execute(
        "insert into entries values (%s, %s, %s::purpose, %s), (%s, %s, %s::purpose, %s)",
        [value for purpose, amount in for_purposes for value in (row[0], account, purpose, amount)],
    )
