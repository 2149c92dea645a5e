"""A service's schema: its roles, and its alembic migrations run as the owner nobody logs in with.

For service ``billing``: role ``reapi_billing_owner`` (no login) owns schema ``billing`` and its tables; role
``reapi_billing`` (login, password from ``BILLING_DATABASE_URL``) has what the migrations grant it and no more.
``DATABASE_URL`` is the administrator's and used here alone.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

_SERVICE = re.compile(r"[a-z]+\Z")


def run(service: str, admin_url: str | None = None, service_url: str | None = None) -> None:
    """Bring one service's schema to the newest version; safe to repeat and to run from several replicas."""
    # Loaded here, for a serving process has no use for it and would carry its 10 MB for life.
    from alembic import command
    from alembic.config import Config

    assert _SERVICE.match(service)
    admin_url = admin_url or _required("DATABASE_URL")
    service_url = service_url or _required(f"{service.upper()}_DATABASE_URL")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext('reapi migrations'))")
        _provision(connection, service, unquote(urlsplit(service_url).password or ""))
        config = Config()
        config.set_main_option("script_location", str(_location(service)))
        config.attributes["service"] = service
        config.attributes["admin_url"] = admin_url
        command.upgrade(config, "head")


def run_env() -> None:
    """The body of every service's ``migrations/env.py``."""
    from alembic import context
    from sqlalchemy import create_engine, pool

    config = context.config
    service: str = config.attributes["service"]
    url = config.attributes["admin_url"].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"set role reapi_{service}_owner")
        connection.exec_driver_sql(f"set search_path = {service}")
        connection.commit()
        context.configure(connection=connection, version_table="schema_version", version_table_schema=service)
        with context.begin_transaction():
            context.run_migrations()


def _location(service: str) -> Path:
    """``services/<service>/migrations`` in a checkout; beside the package in an image."""
    configured = os.environ.get("REAPI_MIGRATIONS_DIR")
    if configured:
        return Path(configured) / service / "migrations"
    module = __import__(service)
    assert module.__file__ is not None
    package = Path(module.__file__).parent
    for candidate in (package.parent.parent / "migrations", package / "migrations"):
        if (candidate / "env.py").is_file():
            return candidate
    raise FileNotFoundError(f"no migrations for {service}: set REAPI_MIGRATIONS_DIR to the folder of services")


def _provision(connection: psycopg.Connection[tuple[object, ...]], service: str, password: str) -> None:
    owner, login = f"reapi_{service}_owner", f"reapi_{service}"
    for role, kind in ((owner, "nologin"), (login, "login")):
        exists = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
        if not exists:
            connection.execute(sql.SQL("create role {} " + kind).format(sql.Identifier(role)))
    if password:
        connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(login), sql.Literal(password)))
    # A superuser need not be a member of a role to act for it; a managed service's administrator must be.
    connection.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(owner)))
    connection.execute(
        sql.SQL("create schema if not exists {} authorization {}").format(
            sql.Identifier(service), sql.Identifier(owner)
        )
    )
    connection.execute(
        sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(service), sql.Identifier(login))
    )
    connection.execute(
        sql.SQL("alter role {} set search_path = {}").format(sql.Identifier(login), sql.Identifier(service))
    )
    database = connection.info.dbname
    connection.execute(
        sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)),
    )
    connection.execute(
        sql.SQL("grant connect on database {} to {}").format(sql.Identifier(database), sql.Identifier(login))
    )


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name} is not set; migrations need the administrator's and the service's database URL")
    return value
