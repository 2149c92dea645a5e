"""One way to PostgreSQL for all services: SQLAlchemy's engine over psycopg, plain SQL in, rows out.

Statements are psycopg's (``%(name)s``, lists as ``unnest(%(ids)s::uuid[])``) and run in autocommit unless a
transaction is opened. Isolation is READ COMMITTED on the primary; safety rests on conditional statements and
constraints, never on isolation.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy import RowMapping, exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from common.messaging.failures import CannotReach

Params = Mapping[str, Any]
Row = RowMapping
"""One result row, by column name."""

_GONE = (psycopg.OperationalError, psycopg.InterfaceError, ConnectionError, TimeoutError)
# The server is there but will not serve now: shutting down, starting up, too many connections, and the like.
_GONE_CLASSES = ("08", "53", "57P")


def _reason(error: BaseException) -> str:
    # Only the kind of failure: a driver's message may quote parameters.
    origin = getattr(error, "orig", None) or error
    return f"database: {type(origin).__name__}"


def _is_unreachable(error: exc.SQLAlchemyError) -> bool:
    if isinstance(error, exc.TimeoutError):
        return True
    origin = getattr(error, "orig", None)
    if getattr(error, "connection_invalidated", False):
        return True
    if isinstance(origin, psycopg.Error) and origin.sqlstate:
        return origin.sqlstate.startswith(_GONE_CLASSES)
    return isinstance(origin, _GONE)


@asynccontextmanager
async def _reaching() -> AsyncIterator[None]:
    """Turn every way a database can be away into CannotReach; other errors pass."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        if _is_unreachable(error):
            raise CannotReach(_reason(error)) from None
        raise
    except _GONE as error:
        raise CannotReach(_reason(error)) from None


class Transaction:
    """Statements that commit together."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, params: Params | None = None) -> Sequence[Row]:
        """All rows of a statement."""
        result = await self._connection.exec_driver_sql(sql, dict(params or {}))
        return result.mappings().all()

    async def execute(self, sql: str, params: Params | None = None) -> int:
        """How many rows a statement changed."""
        result = await self._connection.exec_driver_sql(sql, dict(params or {}))
        return result.rowcount


class Database:
    """A pool of connections of one service's login role.

    Raises CannotReach from every call while the server is away; connections heal by themselves.
    """

    def __init__(self, url: str, pool_size: int = 6, pool_timeout_s: float = 5.0) -> None:
        self._url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._pool_size = pool_size
        self._pool_timeout_s = pool_timeout_s
        self._engine: AsyncEngine | None = None
        self._autocommit: AsyncEngine | None = None

    async def start(self) -> None:
        """Make the pool; connections open on first use, so a service may start before its database."""
        self._engine = create_async_engine(
            self._url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=self._pool_timeout_s,
            pool_reset_on_return=None,
            connect_args={"prepare_threshold": 0, "connect_timeout": 3, "application_name": "reapi"},
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def stop(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            await self._engine.dispose()

    async def fetch(self, sql: str, params: Params | None = None) -> Sequence[Row]:
        """All rows of one statement, committed by itself."""
        assert self._autocommit is not None, "Database.start() comes first"
        async with _reaching(), self._autocommit.connect() as connection:
            return await Transaction(connection).fetch(sql, params)

    async def execute(self, sql: str, params: Params | None = None) -> int:
        """How many rows one statement changed, committed by itself."""
        assert self._autocommit is not None, "Database.start() comes first"
        async with _reaching(), self._autocommit.connect() as connection:
            return await Transaction(connection).execute(sql, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Statements that commit together when the block ends, or not at all."""
        assert self._engine is not None, "Database.start() comes first"
        async with _reaching(), self._engine.begin() as connection:
            yield Transaction(connection)

    async def ready(self) -> bool:
        """True when the server answers."""
        try:
            await self.fetch("select 1")
        except CannotReach:
            return False
        return True
