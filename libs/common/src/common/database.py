"""One way to PostgreSQL for all services: SQLAlchemy's engine and pool over psycopg, plain SQL in, rows out.

Statements are psycopg's (``%(name)s``, lists as ``unnest(%(ids)s::uuid[])``) and run in autocommit unless a
transaction is opened. Isolation is READ COMMITTED on the primary; safety rests on conditional statements and
constraints, never on isolation.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from common.limits import Limits
from common.messaging.failures import CannotReach

Params = Mapping[str, Any]
Row = Mapping[str, Any]
"""One result row, by column name."""

# Our statements are few, fixed, keyed by an index, and take lists (arrays of keys, rows as JSON). Left to itself, the
# server plans each anew at every call, as a list's length changes its estimate; that costs more than running it.
# A plan that is kept must also be right for the table's size of tomorrow: made while a table is small it reads all of
# it, and goes on to until statistics are renewed. Only nested loops over indexes cost the same at every size.
_SERVER_OPTIONS = (
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
)
_PLAN_FREELY = """
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'on', true),
    set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)
"""

STATEMENT_S = 10.0
"""How long a statement may take. A server that is frozen looks like one that thinks: only a clock tells."""
_READY_S = 3.0

# For a server whose machine is gone: what is sent must be acknowledged, and silence is asked after.
_LINE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms
}

_GONE = (psycopg.OperationalError, psycopg.InterfaceError, ConnectionError, TimeoutError)
# The server is there but will not serve now: shutting down, starting up, too many connections, and the like.
_GONE_CLASSES = ("08", "53", "57P")


def _reason(error: BaseException) -> str:
    # Only the kind of failure: a driver's message may quote parameters.
    origin = getattr(error, "orig", None) or error
    return f"database: {type(origin).__name__}"


def _is_unreachable(error: BaseException) -> bool:
    if isinstance(error, exc.TimeoutError) or getattr(error, "connection_invalidated", False):
        return True
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, psycopg.Error) and origin.sqlstate:
        return origin.sqlstate.startswith(_GONE_CLASSES)
    return isinstance(origin, _GONE)


@asynccontextmanager
async def _reaching() -> AsyncIterator[None]:
    """Turn every way a database can be away into CannotReach; other errors pass."""
    try:
        yield
    except (exc.SQLAlchemyError, psycopg.Error, *_GONE) as error:
        if _is_unreachable(error):
            raise CannotReach(_reason(error)) from None
        raise


class Transaction:
    """Statements that commit together."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, params: Params | None = None) -> Sequence[Row]:
        """All rows of a statement."""
        result = await self._connection.exec_driver_sql(sql, dict(params or {}))
        return [dict(row) for row in result.mappings()]

    async def execute(self, sql: str, params: Params | None = None) -> int:
        """How many rows a statement changed."""
        result = await self._connection.exec_driver_sql(sql, dict(params or {}))
        return result.rowcount


class Database:
    """A pool of connections of one service's login role.

    Raises CannotReach from every call while the server is away, or does not answer within ``limit_s`` (the statement
    is then cancelled, if the server still listens); connections heal by themselves.
    """

    def __init__(self, url: str, pool_size: int = 6, pool_timeout_s: float = 5.0) -> None:
        self._url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._pool_size = pool_size
        self._pool_timeout_s = pool_timeout_s
        self._limits = Limits()
        self._engine: AsyncEngine | None = None
        self._committing: AsyncEngine | None = None

    async def start(self) -> None:
        """Make the pool; connections open on first use, so a service may start before its database."""
        self._engine = create_async_engine(
            self._url,
            isolation_level="AUTOCOMMIT",
            pool_size=self._pool_size,
            max_overflow=0,
            pool_use_lifo=True,  # a server process that ran a statement a moment ago has all it needs at hand
            pool_timeout=self._pool_timeout_s,
            pool_reset_on_return=None,
            hide_parameters=True,  # of an error's text: a customer's words may be among them
            connect_args={
                **_LINE,
                "prepare_threshold": 0,
                "connect_timeout": 3,
                "application_name": "reapi",
                "options": _SERVER_OPTIONS,
            },
        )
        self._committing = self._engine.execution_options(isolation_level="READ COMMITTED")

    async def stop(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            await self._engine.dispose()

    async def fetch(self, sql: str, params: Params | None = None, *, limit_s: float = STATEMENT_S) -> Sequence[Row]:
        """All rows of one statement, committed by itself."""
        async with self._cursor(limit_s) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchall()

    async def execute(self, sql: str, params: Params | None = None, *, limit_s: float = STATEMENT_S) -> int:
        """How many rows one statement changed, committed by itself."""
        async with self._cursor(limit_s) as cursor:
            await cursor.execute(sql, params)
            return cursor.rowcount

    async def survey(self, sql: str, params: Params | None = None, *, limit_s: float) -> Sequence[Row]:
        """All rows of a statement that looks through whole tables: planned for itself, as the server sees fit."""
        async with self.transaction(limit_s=limit_s) as transaction:
            await transaction.execute(_PLAN_FREELY)
            return await transaction.fetch(sql, params)

    @asynccontextmanager
    async def transaction(self, *, limit_s: float = 3 * STATEMENT_S) -> AsyncIterator[Transaction]:
        """Statements that commit together when the block ends, or not at all; ``limit_s`` is for all of them."""
        assert self._committing is not None, "Database.start() comes first"
        async with _reaching():
            with self._limits.of(limit_s):
                async with self._committing.begin() as connection:
                    yield Transaction(connection)

    async def ready(self) -> bool:
        """True when the server answers."""
        try:
            await self.fetch("select 1", limit_s=_READY_S)
        except CannotReach:
            return False
        return True

    @asynccontextmanager
    async def _cursor(self, limit_s: float) -> AsyncIterator[psycopg.AsyncCursor[dict[str, Any]]]:
        """The driver's own cursor on a connection of the pool.

        SQLAlchemy's way of running a statement costs twice what psycopg's does and gives a plain statement nothing.
        """
        assert self._engine is not None, "Database.start() comes first"
        async with _reaching():
            lent = await self._engine.raw_connection()
            connection = cast("psycopg.AsyncConnection[Any]", lent.driver_connection)
            try:
                with self._limits.of(limit_s):
                    yield connection.cursor(row_factory=dict_row)
            except BaseException:
                if connection.pgconn.transaction_status != TransactionStatus.IDLE:  # broken, or in the middle of it
                    # As SQLAlchemy does: what is older than this failure is of the same server and made anew.
                    await asyncio.shield(greenlet_spawn(self._engine.pool._invalidate, lent))  # noqa: SLF001
                raise
            finally:
                lent.close()
