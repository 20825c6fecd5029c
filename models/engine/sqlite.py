"""SQLite engine for SQLAlchemy: the preparation of connections, cancelled statements, and the database file.

SQLite keeps writing to a file that was moved, deleted or replaced, and its commits there are lost to every process that
opens the path later. So the path is compared with the opened file whenever a connection is used and after every commit
(:class:`SqliteFile`).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from spacekey.domain.errors import ServiceUnavailable

from .outage import is_busy
from .pool import ClosingPool

TRY_SECONDS = 0.25
"""How long SQLite itself waits for a lock. That wait cannot be interrupted, so a longer one consists of several."""

_OPENING_MILLISECONDS = 1_000
"""The same for the first access to the file, which another process may be recovering or closing."""

OPENING_SECONDS_MAX = 10.0
"""How long other connections may be setting a new file's journal mode."""

_OWNER_ONLY = 0o600


def sqlite_engine(url: URL, file: SqliteFile, *, busy_seconds: float, pool_wait_seconds: float) -> AsyncEngine:
    """Return an engine for the file, with bounded waits for locks and connections."""
    try_seconds = min(busy_seconds, TRY_SECONDS)
    engine = create_async_engine(
        url,
        hide_parameters=True,
        poolclass=ClosingPool,
        pool_timeout=pool_wait_seconds,
        connect_args={"timeout": try_seconds, "async_creator_fn": _connect},
    )

    def before(*_: object) -> None:
        file.before_opening()

    def prepare(connection: Any, _record: object) -> None:
        prepare_sqlite(connection, file, try_seconds, _pause)

    def check(*_: object) -> None:
        file.check()

    event.listen(engine.sync_engine, "do_connect", before)
    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "checkout", check)
    event.listen(engine.sync_engine, "handle_error", _keep_when_cancelled)
    return engine


async def begin_immediate(connection: AsyncConnection, seconds: float) -> None:
    """Begin a change; no other connection can begin one until it ends.

    :param seconds: how long to wait for another change; the waiting task can be cancelled meanwhile.
    :raises OperationalError: if the lock was not acquired; nothing has begun.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not is_busy(error) or time.monotonic() >= until:
                raise
        else:
            return


class SqliteFile:
    """Database file of one store. SQLite gives its ``-wal`` and ``-shm`` files the same permissions.

    :param path: as in the URL.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).absolute()
        self._opened: tuple[int, int] | None = None

    def before_opening(self) -> None:
        """Create the file if it never existed, readable by its owner only.

        :raises ServiceUnavailable: if the opened file has been replaced or is gone: opening the path would begin a
            second database.
        """
        if self._opened is not None:
            self.check()
            return
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        except OSError:
            return  # it exists already, or SQLite reports better why it cannot be created

    def opened(self) -> None:
        """Record the file's identity when the first connection has opened it, and check it."""
        if self._opened is None:
            self._opened = self._identity()
        self.check()

    def check(self) -> None:
        """Check that the path still leads to the file that was opened.

        :raises ServiceUnavailable: if it does not.
        """
        if self._opened is None or self._identity() != self._opened:
            raise ServiceUnavailable(
                "the SQLite file was moved, deleted or replaced while it was in use; put it back, or restart Spacekey"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


class OneHopConnection(aiosqlite.Connection):
    """Connection whose statements need one hand-over to its thread each.

    aiosqlite hands over four times: to create a cursor, run the statement, fetch its rows and close the cursor. For a
    change of eight statements that took longer than SQLite itself.
    """

    opened: sqlite3.Connection | None = None
    """What was opened in the thread, also for a caller that was cancelled before it was handed over."""

    _stopped = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Stop the thread, and close a connection that was opened for a caller that is gone.

        It is done once: who waited for a thread that had stopped already, as after a close that is cut short and then
        forced, would wait forever.
        """
        if self._stopped:
            return None
        self._stopped = True
        self._tx.put_nowait((None, self._close_unclaimed))
        return super().stop()

    def _close_unclaimed(self) -> None:
        if self._connection is None and self.opened is not None:
            self.opened.close()

    def cursor(self) -> OneHopCursor:  # type: ignore[override] # what SQLAlchemy asks of a cursor, and no more
        """Return a cursor; the thread is involved only when its statement runs."""
        return OneHopCursor(self)


class OneHopCursor:
    """Cursor that runs a statement, fetches its rows and closes in one step (PEP 249, as SQLAlchemy uses it)."""

    arraysize = 1

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> OneHopCursor:
        return self

    async def execute(self, operation: str, parameters: Any = ()) -> OneHopCursor:
        """Run a statement and fetch all of its rows."""
        await self._hand_over("execute", operation, parameters)
        return self

    async def executemany(self, operation: str, parameters: Any) -> OneHopCursor:
        """Run a statement for each set of parameters."""
        await self._hand_over("executemany", operation, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows, which have been fetched already."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Do nothing: the cursor is closed already."""

    async def _hand_over(self, way: str, operation: str, parameters: Any) -> None:
        await self._connection._execute(self._run, way, operation, parameters)  # type: ignore[no-untyped-call]

    def _run(self, way: str, operation: str, parameters: Any) -> None:
        cursor = self._connection._conn.cursor()
        try:
            getattr(cursor, way)(operation, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()


def _connect(database: str, **options: Any) -> aiosqlite.Connection:
    def open_file() -> sqlite3.Connection:
        connection.opened = sqlite3.connect(database, **options)
        return connection.opened

    connection = OneHopConnection(open_file, iter_chunk_size=64)
    connection._thread.daemon = True  # like SQLAlchemy's own: a process ends without waiting for its connections
    return connection


def prepare_sqlite(connection: Any, file: SqliteFile, try_seconds: float, pause: Callable[[float], object]) -> None:
    """Prepare a connection: WAL keeps readers from waiting for a writer, FULL keeps commits through a power cut.

    :param connection: of the driver, or of SQLAlchemy's adapter. It is closed if it cannot be prepared.
    :param pause: waits for so many seconds.
    """
    try:
        file.opened()
        # Otherwise the driver would begin deferred transactions itself, and a writer could fail half-way.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_OPENING_MILLISECONDS}")
        until = time.monotonic() + OPENING_SECONDS_MAX
        while not _set_wal(cursor, until):
            pause(0.02)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={try_seconds * 1000:.0f}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        # No pool owns the connection yet, and the driver's thread would outlive it.
        connection.close()
        raise


def _set_wal(cursor: Any, until: float) -> bool:
    """Set WAL mode, and return False if another connection is setting it.

    Of several connections that open a new file, one sets the mode; the others are told ``SQLITE_BUSY`` at once,
    whatever their busy timeout is, where waiting could be a deadlock (https://www.sqlite.org/c3ref/busy_handler.html).

    :raises sqlite3.OperationalError: if it is still busy at ``until``, by the monotonic clock.
    """
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
            raise
        return False
    return True


def _pause(seconds: float) -> None:
    """Wait, as code that SQLAlchemy runs may."""
    await_only(asyncio.sleep(seconds))


def _keep_when_cancelled(context: ExceptionContext) -> None:
    """Keep the connection after a cancelled statement, to be rolled back and used again.

    Closing it, as SQLAlchemy would, does not end its transaction: a SELECT whose rows were not all read keeps the
    closed connection, and with it the write lock, until garbage collection (https://www.sqlite.org/c3ref/close.html,
    "zombie"). The connection is intact: its thread finishes the statement in progress, and the rollback waits in the
    same queue.
    """
    if isinstance(context.original_exception, asyncio.CancelledError):
        context.is_disconnect = False
