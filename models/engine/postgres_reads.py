"""Reads on PostgreSQL over a few of the driver's connections, without extra round trips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from spacekey.models.tables.base import POSTGRESQL

from .database_url import PostgresTarget
from .outage import BARE, is_bad_input
from .postgres import PromptConnection, refuse_standby
from .reading import Reader, Reading, ResultRow, Values
from .schema import qualified

T = TypeVar("T")

STANDBY_ASKED = "SELECT pg_is_in_recovery()"


class PostgresReader(Reader):
    """Reader on a connection to the primary."""

    dialect = POSTGRESQL

    def __init__(self, connection: asyncpg.Connection, seconds: float, schema: str | None = None) -> None:
        self._connection = connection
        self._seconds = seconds
        self._schema = schema

    async def rows(self, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
        """See :meth:`Reader.rows`."""
        given = () if values is None else values.given
        asked = qualified(statement, self._schema)
        found: Sequence[ResultRow] = await self._connection.fetch(asked, *given, timeout=self._seconds)
        return found


class PostgresConnections:
    """Connections of one purpose, opened when needed; the one used last is used next.

    :param target: how to connect to the primary.
    :param pool_size: how many functions can run at once; more wait.
    :param wait_seconds: how long they wait for a connection.
    :param statement_seconds: how long a statement may take.
    :param schema: where the tables are; None for wherever the connection finds them.
    """

    def __init__(
        self,
        target: PostgresTarget,
        *,
        pool_size: int,
        wait_seconds: float,
        statement_seconds: float,
        schema: str | None = None,
    ) -> None:
        self._target = target
        self._schema = schema
        self._statement_seconds = statement_seconds
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(pool_size)
        self._idle: list[asyncpg.Connection] = []
        self._closings = 0

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        async with asyncio.timeout(self._wait_seconds):
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def aclose(self) -> None:
        """Close the connections; one that is in use, after its use. A later use opens new ones."""
        self._closings += 1
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close()
            except (*BARE, OSError):
                connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        connection = await self._target.connect(seconds=self._wait_seconds, connection_class=PromptConnection)
        try:
            if not self._target.by_transaction:
                refuse_standby(await connection.fetchval(STANDBY_ASKED, timeout=self._wait_seconds))
        except BaseException:
            connection.terminate()
            raise
        return connection


class PostgresReads(PostgresConnections):
    """Pool of connections for reads.

    A single statement is a transaction of its own, so none is begun or ended around it. A connection is dropped if a
    statement on it fails or is cancelled.
    """

    async def run(self, function: Reading[T]) -> T:
        """Run a function of queries.

        :raises asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError: if the database
            does not answer, or refuses a value.
        :raises ServiceUnavailable: if the server is a standby.
        """
        async with self._place():
            return await self._run(function)

    async def _run(self, function: Reading[T]) -> T:
        closings = self._closings
        while self._idle:
            connection = self._idle.pop()
            if connection.is_closed():
                continue
            try:
                return await self._run_on(connection, function, closings)
            except (*BARE, ConnectionError) as error:
                if is_bad_input(error):
                    raise
                # The connection may have gone stale while idle: a restart, a migration. Reading again is harmless.
        return await self._run_on(await self._connect(), function, closings)

    async def _run_on(self, connection: asyncpg.Connection, function: Reading[T], closings: int) -> T:
        try:
            return await self._read(connection, function)
        except (*BARE, OSError, asyncio.CancelledError) as error:
            if not is_bad_input(error):
                connection.terminate()
            raise
        finally:
            if closings != self._closings:
                connection.terminate()
            elif not connection.is_closed():
                self._idle.append(connection)

    async def _read(self, connection: asyncpg.Connection, function: Reading[T]) -> T:
        if not self._target.by_transaction:
            return await function(PostgresReader(connection, self._statement_seconds, self._schema))
        async with connection.transaction():
            # The pooler may have used another server for this transaction than for the one before.
            refuse_standby(await connection.fetchval(STANDBY_ASKED))
            return await function(PostgresReader(connection, self._statement_seconds, self._schema))
