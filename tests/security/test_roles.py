"""No service reads another's schema: each has its own login, and tables belong to a role nobody logs in with."""

import psycopg
import pytest

from support.stack import Stack

SERVICES = ("gateway", "billing", "dispatcher", "storage", "notifier")


def tables(stack: Stack, schema: str) -> list[str]:
    rows = stack.query("select tablename from pg_tables where schemaname = %(s)s", s=schema)
    return [row["tablename"] for row in rows]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_its_own_schema_and_no_other(stack: Stack, service: str) -> None:
    with psycopg.connect(stack[f"{service.upper()}_DATABASE_URL"], autocommit=True) as connection:
        for other in SERVICES:
            assert tables(stack, other), f"{other} has no tables: nothing was tried"
            for table in tables(stack, other):
                if other == service:
                    continue
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f'select 1 from {other}."{table}" limit 1')
        for statement in ("create table mine (a int)", f"create table {service}.mine (a int)", "create schema mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_tables_belong_to_roles_that_nobody_logs_in_with(stack: Stack) -> None:
    rows = stack.query(
        """select t.schemaname, t.tableowner, r.rolcanlogin, r.rolsuper from pg_tables t
           join pg_roles r on r.rolname = t.tableowner where t.schemaname = any(%(s)s)""",
        s=list(SERVICES),
    )
    assert {row["schemaname"] for row in rows} == set(SERVICES)
    for row in rows:
        assert row["tableowner"] == f"reapi_{row['schemaname']}_owner"
        assert not row["rolcanlogin"]
        assert not row["rolsuper"]


def test_the_ledger_cannot_be_rewritten_by_its_own_service(stack: Stack) -> None:
    with psycopg.connect(stack["BILLING_DATABASE_URL"], autocommit=True) as connection:
        for statement in (
            "update billing.entries set amount_microusd = amount_microusd",
            "delete from billing.entries",
            "truncate billing.entries",
            "update billing.transactions set reason = 'x'",
            "delete from billing.transactions",
            "delete from billing.reservations",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
