"""Reads on SQLite: a function runs to its end in a thread, so that no read blocks the event loop."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from threading import Event
from typing import TypeVar

from spacekey.models.tables.base import SQLITE

from .reading import Reader, Reading, ResultRow, Values
from .sqlite import SqliteFile

T = TypeVar("T")

READ_THREADS = 4
"""Maximum number of functions that read at once; more wait. Verification has a connection of its own."""


STEPS_UNNOTICED = 1_000_000
"""How many steps of SQLite's machine, some 20 ms, a statement may run on after its caller has gone."""


class SqliteReader(Reader):
    """Reader on a connection that one thread uses: a read-only one, or in a change one that can write."""

    dialect = SQLITE

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
        """See :meth:`Reader.rows`. It never suspends: its own thread may block here."""
        # Read to the last row: that ends the statement, and with it the read transaction.
        return self._connection.execute(statement, () if values is None else values.given).fetchall()


class SqliteReads:
    """Pool of threads and read-only connections, opened when needed.

    :param path: the database file.
    :param file: checks that the path still leads to the file that was opened.
    :param busy_seconds: how long a read may wait for a lock. In WAL mode readers need one only during recovery.
    :param wait_seconds: how long a function waits for a thread.
    """

    def __init__(self, path: str | Path, file: SqliteFile, *, busy_seconds: float, wait_seconds: float) -> None:
        self._uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        self._file = file
        self._busy_seconds = busy_seconds
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(READ_THREADS)
        self._threads: ThreadPoolExecutor | None = None
        self._idle: list[sqlite3.Connection] = []
        self._closings = 0
        self._process = os.getpid()

    async def run(self, function: Reading[T]) -> T:
        """Run a function of queries in one hop.

        :raises sqlite3.Error: if the database does not answer.
        :raises ServiceUnavailable: if the file was moved, deleted or replaced.
        """
        closings = self._closings
        async with asyncio.timeout(self._wait_seconds):
            await self._places.acquire()
        try:
            abandoned = Event()
            work = copy_context().run
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(self._pool(), work, self._run, function, abandoned, closings)
            except asyncio.CancelledError:
                abandoned.set()
                raise
        finally:
            self._places.release()

    async def aclose(self) -> None:
        """Close the connections; one that is in use, after its read. A later read opens new ones."""
        self._closings += 1
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        close_all(self._idle)

    def _pool(self) -> ThreadPoolExecutor:
        if self._process != os.getpid():
            # A fork copies the connections but not the threads; SQLite's must be neither used nor closed in the child.
            self._process, self._threads, self._idle = os.getpid(), None, []
        if self._threads is None:
            self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="spacekey-read")
        return self._threads

    def _run(self, function: Reading[T], abandoned: Event, closings: int) -> T:
        connection = self._take()
        # Connection.interrupt() would end only a statement that is running, and miss one that is about to begin.
        connection.set_progress_handler(abandoned.is_set, STEPS_UNNOTICED)
        try:
            result = completed(function(SqliteReader(connection)))
        except sqlite3.Error:
            connection.close()
            raise
        except BaseException:
            self._give_back(connection, closings)
            raise
        self._give_back(connection, closings)
        return result

    def _give_back(self, connection: sqlite3.Connection, closings: int) -> None:
        self._idle.append(connection)
        if closings != self._closings:  # looked at afterwards, since the loop's thread may close at any time
            close_all(self._idle)

    def _take(self) -> sqlite3.Connection:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = sqlite3.connect(
                self._uri, uri=True, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
            )
            opened = True
        else:
            opened = False
        try:
            if opened:
                connection.execute("PRAGMA query_only=ON")
                self._file.opened()
            else:
                self._file.check()
        except BaseException:
            connection.close()
            raise
        return connection


def close_all(idle: list[sqlite3.Connection]) -> None:
    """Close connections that are not in use, also while other threads add and take some."""
    with suppress(IndexError):
        while True:
            idle.pop().close()


def completed(running: Awaitable[T]) -> T:
    """Run a coroutine that never suspends, and return its result.

    :raises RuntimeError: if it waits for anything but its reader.
    """
    if not isinstance(running, Coroutine):
        raise TypeError("a function of queries must be async")
    try:
        running.send(None)
    except StopIteration as end:
        answer: T = end.value
        return answer
    running.close()
    raise RuntimeError("a function of queries may wait for its reader only")
