"""Changes on SQLite: a function runs to its end in a thread, as one transaction on a connection of its own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from threading import Event
from typing import TypeVar

from .outage import is_locked
from .reading import Commit, Reading
from .sqlite import TRY_SECONDS, SqliteFile, prepare_sqlite
from .sqlite_reads import STEPS_UNNOTICED, SqliteReader, completed

T = TypeVar("T")


class SqliteChanges:
    """A thread and a connection for changes, opened when needed. The caller sees to it that one runs at a time.

    :param path: the database file.
    :param file: creates the file, and checks that the path still leads to it.
    :param busy_seconds: how long a change may wait for another process's.
    """

    def __init__(self, path: str | Path, file: SqliteFile, *, busy_seconds: float) -> None:
        self._path = path
        self._file = file
        self._try_seconds = min(busy_seconds, TRY_SECONDS)
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()

    async def run(self, function: Reading[T], until: float, commit: Commit) -> T:
        """Run a function of queries in one hop, and commit what it has changed; undo it if the function raises.

        A cancellation undoes everything, except during the commit. It is raised when the transaction has ended.

        :param until: how long to wait for the lock, by the monotonic clock.
        :raises sqlite3.Error: if the database does not answer.
        :raises ServiceUnavailable: if the file was moved, deleted or replaced.
        """
        abandoned = Event()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._executor(), copy_context().run, self._run, function, until, commit, abandoned)
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError as error:
                abandoned.set()
                cancelled = error
        if cancelled is not None:
            raise cancelled from work.exception()
        return work.result()

    async def aclose(self) -> None:
        """Close the connection. A later change opens another one."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown)
        self._drop()

    def _executor(self) -> ThreadPoolExecutor:
        if self._process != os.getpid():
            # A fork copies the connection but not the thread; SQLite's must be neither used nor closed in the child.
            self._process, self._thread, self._connection = os.getpid(), None, None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="spacekey-change")
        return self._thread

    def _run(self, function: Reading[T], until: float, commit: Commit, abandoned: Event) -> T:
        connection = self._opened()
        try:
            _begin(connection, until, abandoned)
            connection.set_progress_handler(abandoned.is_set, STEPS_UNNOTICED)
            result = completed(function(SqliteReader(connection)))
            connection.set_progress_handler(None, 0)
            if abandoned.is_set():
                raise sqlite3.OperationalError("interrupted")  # its caller is gone, and raises the cancellation
            commit.send()
            connection.execute("COMMIT")
        except BaseException as error:
            self._undo(connection, error)
            raise
        self._file.check()
        return result

    def _undo(self, connection: sqlite3.Connection, error: BaseException) -> None:
        """Roll back, and drop a connection that may not be relied on after this error."""
        connection.set_progress_handler(None, 0)
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if connection.in_transaction or (
            isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError)
        ):
            self._drop()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None:
            self._file.check()
            return self._connection
        self._file.before_opening()
        connection = sqlite3.connect(
            self._path, timeout=self._try_seconds, isolation_level=None, check_same_thread=False
        )
        prepare_sqlite(connection, self._file, self._try_seconds, time.sleep)
        self._connection = connection
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _begin(connection: sqlite3.Connection, until: float, abandoned: Event) -> None:
    """Begin a change; no other connection can begin one until it ends.

    :raises sqlite3.OperationalError: if another process has the lock for too long; nothing has begun.
    """
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() >= until or abandoned.is_set():
                raise
        else:
            return
