"""SQLite behind SQLAlchemy: how a connection is prepared, and what becomes of it when a statement is cancelled."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from spacekey.domain.errors import Unavailable

from .outage import is_busy

TRY_SECONDS = 0.25
"""How long SQLite itself waits for a lock. Nobody can end that wait, so a longer one is made of several."""

_OPENING_MILLISECONDS = 1_000
"""The same for a first look at the file, which another process may be recovering or closing."""


def sqlite_engine(url: URL, file: SqliteFile, *, busy_seconds: float, pool_wait_seconds: float) -> AsyncEngine:
    """An engine on the file; each wait, for a lock or for a connection, has its bound."""
    try_seconds = min(busy_seconds, TRY_SECONDS)
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_timeout=pool_wait_seconds,
        connect_args={"timeout": try_seconds, "async_creator_fn": _connect},
    )

    def before(*_: object) -> None:
        file.before_opening()

    def prepare(connection: Any, _record: object) -> None:
        _prepare(connection, file, try_seconds)

    def check(*_: object) -> None:
        file.check()

    event.listen(engine.sync_engine, "do_connect", before)
    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "checkout", check)
    event.listen(engine.sync_engine, "handle_error", _keep_when_cancelled)
    return engine


async def begin_immediate(connection: AsyncConnection, seconds: float) -> None:
    """Begin a change: nobody else can begin one until it ends.

    :param seconds: how long to wait for somebody else's; whoever waits can be cancelled meanwhile.
    :raises OperationalError: the lock was not given; nothing has begun.
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


def _connect(database: str, **options: Any) -> aiosqlite.Connection:
    connection = OneHopConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy has it: a process ends without waiting for its connections
    return connection


class OneHopConnection(aiosqlite.Connection):
    """A connection whose statements take one hand-over to its thread each.

    aiosqlite hands over four times: to make a cursor, to run the statement, to fetch its rows and to close the cursor.
    A change of eight statements spent more on that than on SQLite.
    """

    def cursor(self) -> OneHopCursor:  # type: ignore[override] # what SQLAlchemy asks of a cursor, and no more
        """Return a cursor; the thread hears of it with its statement."""
        return OneHopCursor(self)


class OneHopCursor:
    """A cursor that runs a statement, fetches its rows and is closed in one go (PEP 249, as SQLAlchemy uses it)."""

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
        """Run a statement to its last row."""
        await self._hand_over("execute", operation, parameters)
        return self

    async def executemany(self, operation: str, parameters: Any) -> OneHopCursor:
        """Run a statement for each of the parameters."""
        await self._hand_over("executemany", operation, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows, which are here already."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """It is closed already."""

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


def _prepare(connection: Any, file: SqliteFile, try_seconds: float) -> None:
    """WAL lets readers go on while one writes; FULL keeps an acknowledged change through a power cut."""
    try:
        file.opened()
        # Without this the driver would begin transactions by itself, deferred, and a writer could fail half-way.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={_OPENING_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={try_seconds * 1000:.0f}",
        ):
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


_OWNER_ONLY = 0o600


class SqliteFile:
    """The file behind one store. SQLite gives its ``-wal`` and ``-shm`` the rights of the file itself.

    :param path: as in the URL.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).absolute()
        self._opened: tuple[int, int] | None = None

    def before_opening(self) -> None:
        """Make the file when it was never there, readable by its owner only.

        :raises Unavailable: another file, or none, is where the opened one was: opening it would begin a second one.
        """
        if self._opened is not None:
            self.check()
            return
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        except OSError:
            return  # it is there already, or SQLite says better why it cannot be

    def opened(self) -> None:
        """A connection has just been opened."""
        if self._opened is None:
            self._opened = self._identity()
        self.check()

    def check(self) -> None:
        """Look whether the path still leads to the file that was opened.

        :raises Unavailable: it does not.
        """
        if self._opened is None or self._identity() != self._opened:
            raise Unavailable(
                "the SQLite file was moved, deleted or replaced while it was in use; put it back, or restart Spacekey"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
