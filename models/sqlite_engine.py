"""SQLite behind SQLAlchemy: how a connection is prepared, and what becomes of it when a statement is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def sqlite_engine(url: URL, *, busy_seconds: float, pool_wait_seconds: float) -> AsyncEngine:
    """An engine on the file; each wait, for a lock or for a connection, has its bound."""
    engine = create_async_engine(
        url, hide_parameters=True, pool_timeout=pool_wait_seconds, connect_args={"timeout": busy_seconds}
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "handle_error", _keep_when_cancelled)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """WAL lets readers go on while one writes; FULL keeps an acknowledged change through a power cut."""
    # Without this the driver would begin transactions by itself, deferred, and a writer could fail half-way.
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        # The pool has not taken it over yet, and the driver's thread would outlive it.
        connection.close()
        raise


def _keep_when_cancelled(context: ExceptionContext) -> None:
    """After a cancelled statement the connection is rolled back and used again.

    Closing it, as is done otherwise, does not end its transaction: a SELECT whose rows were not all read keeps the
    closed connection, and with it the write lock, until the garbage collector comes by
    (https://www.sqlite.org/c3ref/close.html, "zombie"). Nothing is amiss with it: its thread ends the statement that
    was under way, and the rollback waits in the same queue.
    """
    if isinstance(context.original_exception, asyncio.CancelledError):
        context.is_disconnect = False
