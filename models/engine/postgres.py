"""PostgreSQL engines for SQLAlchemy, in which every wait is bounded, even for closing a connection that hangs.

A new connection sends nothing that PgBouncer would refuse, and leaves no state on a server connection that PgBouncer
may give to another client.
"""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from spacekey.domain.errors import ServiceUnavailable

from .database_url import PostgresTarget, postgres_target
from .pool import ClosingPool

STATEMENT_SECONDS = 4.0
CLOSE_SECONDS = 0.25

STANDBY = (
    "PostgreSQL is a standby, which lags and is read-only; name the primary in "
    "SPACEKEY_DATABASE_URL, or all hosts and target_session_attrs=primary"
)
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', '{milliseconds}ms', {local}), pg_is_in_recovery()"


class PromptConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types of its own
    """Connection that is closed quickly: SQLAlchemy would wait two seconds for a server that hangs.

    The quarter of a second lets the server receive the request to end what still runs, which releases its locks.
    """

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own signature
        """See :meth:`asyncpg.Connection.close`."""
        await super().close(timeout=CLOSE_SECONDS if timeout is None else min(timeout, CLOSE_SECONDS))


class TransactionConnection(PromptConnection):
    """Connection behind a pooler that may change the server connection after each transaction."""

    async def set_type_codec(self, *arguments: Any, **named: Any) -> None:
        """See :meth:`asyncpg.Connection.set_type_codec`; its statements must reach the same server connection."""
        async with self.transaction():
            await super().set_type_codec(*arguments, **named)


def postgres_engine(
    url: URL, *, busy_seconds: float, pool_size: int, pool_wait_seconds: float, schema: str | None = None
) -> AsyncEngine:
    """Return an engine for the primary, with bounded waits for locks, connections and answers.

    :param schema: where the tables are; None for wherever the connection finds them.
    """
    return _engine(
        postgres_target(url),
        url,
        busy_seconds,
        {
            "poolclass": ClosingPool,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": pool_wait_seconds,
            "pool_pre_ping": True,
        },
        statement_seconds=STATEMENT_SECONDS,
        schema=schema,
    )


def migration_engine(url: URL, *, busy_seconds: float) -> AsyncEngine:
    """Return an engine for one connection whose statements may take as long as they need."""
    return _engine(postgres_target(url), url, busy_seconds, {"poolclass": NullPool}, statement_seconds=None)


def _engine(
    target: PostgresTarget,
    url: URL,
    busy_seconds: float,
    pool: dict[str, Any],
    *,
    statement_seconds: float | None,
    schema: str | None = None,
) -> AsyncEngine:
    milliseconds = f"{busy_seconds * 1000:.0f}"

    async def connect(**_: Any) -> asyncpg.Connection:
        kind = TransactionConnection if target.by_transaction else PromptConnection
        connection = await target.connect(connection_class=kind, command_timeout=statement_seconds)
        try:
            if not target.by_transaction:
                row = await connection.fetchrow(_LOCK_TIMEOUT.format(milliseconds=milliseconds, local="false"))
                refuse_standby(row[1])
        except BaseException:
            connection.terminate()
            raise
        return connection

    engine = create_async_engine(
        # Spacekey has read the URL; SQLAlchemy would pass on parameters that it does not know.
        url.set(query={}),
        hide_parameters=True,  # a traceback must not show bound values
        async_creator=connect,
        connect_args=_BY_TRANSACTION if target.by_transaction else {},
        execution_options={} if schema is None else {"schema_translate_map": {None: schema}},
        **pool,
    )
    if target.by_transaction:

        def begin(connection: Connection) -> None:
            row = connection.exec_driver_sql(_LOCK_TIMEOUT.format(milliseconds=milliseconds, local="true")).one()
            refuse_standby(row[1])

        event.listen(engine.sync_engine, "begin", begin)
    return engine


_BY_TRANSACTION = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
"""Unnamed statements: parsed and run in one transaction, they leave nothing on the server."""


def refuse_standby(in_recovery: bool) -> None:
    """Raise if the server is a standby.

    :raises ServiceUnavailable: if it is.
    """
    if in_recovery:
        raise ServiceUnavailable(STANDBY)
