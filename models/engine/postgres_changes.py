"""Changes on PostgreSQL over a few of the driver's connections: a transaction takes two more round trips than its work.

A connection is dropped if its transaction could be neither committed nor rolled back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TypeVar

import asyncpg

from .database_url import PostgresTarget
from .outage import BARE
from .postgres import CLOSE_SECONDS, refuse_standby
from .postgres_reads import STANDBY_ASKED, PostgresConnections, PostgresReader
from .reading import Commit, Reading
from .uncut import uncut

T = TypeVar("T")


class PostgresChanges(PostgresConnections):
    """Pool of connections for changes.

    :param busy_seconds: how long a statement may wait for a lock.

    The other arguments are those of :class:`PostgresConnections`.
    """

    def __init__(
        self,
        target: PostgresTarget,
        *,
        pool_size: int,
        wait_seconds: float,
        statement_seconds: float,
        busy_seconds: float,
        schema: str | None = None,
    ) -> None:
        super().__init__(
            target, pool_size=pool_size, wait_seconds=wait_seconds, statement_seconds=statement_seconds, schema=schema
        )
        self._begin = f"BEGIN; SET LOCAL lock_timeout = '{busy_seconds * 1000:.0f}ms'"

    async def run(self, function: Reading[T], commit: Commit) -> T:
        """Run a function of queries, and commit what it has changed; undo it if the function raises.

        A cancellation undoes everything, except during the commit.

        :raises asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError: if the database
            does not answer, or refuses a value or a change.
        :raises ServiceUnavailable: if the server is a standby.
        """
        async with self._place():
            connection = await self._begun()
            try:
                result = await function(PostgresReader(connection, self._statement_seconds, self._schema))
            except BaseException:
                await uncut(self._undo(connection))
                raise
            commit.send()
            await uncut(self._commit(connection))
            return result

    async def _begun(self) -> asyncpg.Connection:
        """Return a connection with a transaction. One that has gone stale while idle is replaced."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_closed():
                continue
            try:
                await self._start(connection)
            except (*BARE, OSError):
                continue  # nothing has begun
            return connection
        connection = await self._connect()
        await self._start(connection)
        return connection

    async def _start(self, connection: asyncpg.Connection) -> None:
        try:
            await connection.execute(self._begin, timeout=self._statement_seconds)
            if self._target.by_transaction:
                # The pooler may have used another server for this transaction than for the one before.
                refuse_standby(await connection.fetchval(STANDBY_ASKED, timeout=self._statement_seconds))
        except BaseException:
            connection.terminate()
            raise

    async def _commit(self, connection: asyncpg.Connection) -> None:
        try:
            await connection.execute("COMMIT", timeout=self._statement_seconds)
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)

    async def _undo(self, connection: asyncpg.Connection) -> None:
        """Roll back. Without an answer the connection is closed, which ends what it still runs."""
        try:
            await connection.execute("ROLLBACK", timeout=CLOSE_SECONDS)
        except (*BARE, OSError, asyncio.CancelledError):
            with suppress(*BARE, OSError):
                await connection.close()
            return
        self._idle.append(connection)
