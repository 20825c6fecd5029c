"""Lookup on PostgreSQL: prepared once per connection, one round trip, within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import URL

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.database_url import database_url, postgres_target
from spacekey.models.engine.outage import BARE, lost
from spacekey.models.engine.postgres import refuse_standby
from spacekey.models.engine.schema import checked_schema, qualified
from spacekey.models.engine.uncut import uncut
from spacekey.models.migrations.schema_version import REVISION_SQL, VERSION_TABLE
from spacekey.models.tables.base import POSTGRESQL

from .facts import TokenFacts, facts_of, primary_batch_sql, primary_lookup_sql, refuse_schema

LOOKUP_POOL_SIZE = 4
LOOKUP_DEADLINE_SECONDS = 1.0

_SQL = primary_lookup_sql("$1")
_BATCH_SQL = primary_batch_sql("$1")
_HAS_TABLE = "SELECT to_regclass($1)"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Line:
    """Connection with its prepared statement."""

    connection: asyncpg.Connection
    statement: PreparedStatement | None
    """None if a pooler may use another server connection for each transaction."""

    schema: str | None

    async def ask(self, digest: bytes) -> Any:
        """Return the row, from the primary.

        :raises ServiceUnavailable: if the server is a standby.
        """
        if self.statement is not None:
            row = await self.statement.fetchrow(digest)
        else:
            async with self.connection.transaction():
                row = await self.connection.fetchrow(qualified(_SQL, self.schema), digest)
        refuse_standby(row[0])
        return row

    async def ask_many(self, digests: Sequence[bytes]) -> list[Any]:
        """Return the rows, at least one, from the primary.

        :raises ServiceUnavailable: if the server is a standby.
        """
        asked = qualified(_BATCH_SQL, self.schema)
        if self.statement is not None:
            rows = await self.connection.fetch(asked, digests)  # the driver keeps it prepared
        else:
            async with self.connection.transaction():
                rows = await self.connection.fetch(asked, digests)
        refuse_standby(rows[0][0])
        return list(rows)


class PostgresLookup:
    """Pool of a few connections, opened when needed; the one used last is used next.

    The driver's own pool resets a connection after each use, which costs a second round trip, and can wait beyond the
    deadline for a query that it cancelled. Here a connection is dropped if its query fails or is late.

    :param url: as for :class:`spacekey.models.engine.store.Store`. It must lead to the primary: a replica lags.
    :param schema: as for :class:`spacekey.models.engine.store.Store`.
    :param pool_size: how many lookups can run at once; more wait, within their deadline.
    :param deadline_seconds: for waiting, connecting and the query together.
    :param check_schema: refuse another version's schema. It is checked until it matches and then never again: a process
        keeps running while another version migrates the database, as a server does.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        schema: str | None = None,
        pool_size: int = LOOKUP_POOL_SIZE,
        deadline_seconds: float = LOOKUP_DEADLINE_SECONDS,
        check_schema: bool = False,
    ) -> None:
        self._target = postgres_target(database_url(url) if isinstance(url, str) else url)
        self._schema = checked_schema(schema, POSTGRESQL)
        self._deadline_seconds = deadline_seconds
        self._places = asyncio.Semaphore(pool_size)
        self._idle: list[_Line] = []
        self._closings = 0
        self._schema_fits = not check_schema

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`spacekey.models.lookup.facts.TokenLookup`."""
        row = await self._answer(lambda line: line.ask(digest))
        return None if row[1] is None else facts_of(row[1:])

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """See :class:`spacekey.models.lookup.facts.TokenLookup`."""
        rows = await self._answer(lambda line: line.ask_many(digests)) if digests else []
        return {row[1]: facts_of(row[2:]) for row in rows if row[1] is not None}

    async def aclose(self) -> None:
        """Close the connections; one that is in use, after its lookup. A later lookup opens new ones."""
        self._closings += 1
        idle, self._idle = self._idle, []
        await uncut(self._close(idle))

    async def _close(self, lines: Sequence[_Line]) -> None:
        for line in lines:
            try:
                await line.connection.close(timeout=self._deadline_seconds)
            except (*BARE, OSError):
                line.connection.terminate()

    async def _answer(self, ask: Callable[[_Line], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(self._deadline_seconds), self._places:
                return await self._ask(ask)
        except (*BARE, OSError) as error:
            # TimeoutError is an OSError. The text may name hosts and users, so it is not kept.
            raise ServiceUnavailable(lost(error)) from None

    async def _ask(self, ask: Callable[[_Line], Awaitable[Answer]]) -> Answer:
        closings = self._closings
        while self._idle:
            line = self._idle.pop()
            if line.connection.is_closed():
                continue
            try:
                return await self._ask_on(line, ask, closings)
            except (*BARE, ConnectionError):
                # The connection may have gone stale while idle: a restart, a migration. Reading again is harmless.
                continue
        return await self._ask_on(await self._connect(), ask, closings)

    async def _ask_on(self, line: _Line, ask: Callable[[_Line], Awaitable[Answer]], closings: int) -> Answer:
        try:
            answer = await ask(line)
        except BaseException:
            line.connection.terminate()
            raise
        if closings == self._closings:
            self._idle.append(line)
        else:
            line.connection.terminate()
        return answer

    async def _connect(self) -> _Line:
        connection = await self._target.connect(seconds=self._deadline_seconds)
        try:
            if not self._schema_fits:
                async with connection.transaction():
                    revisions = await _revisions(connection, self._schema)
                refuse_schema(revisions)
                self._schema_fits = True
            if self._target.by_transaction:
                return _Line(connection, None, self._schema)
            return _Line(connection, await connection.prepare(qualified(_SQL, self._schema)), self._schema)
        except BaseException:
            connection.terminate()
            raise


async def _revisions(connection: asyncpg.Connection, schema: str | None) -> list[str] | None:
    if await connection.fetchval(_HAS_TABLE, qualified(VERSION_TABLE, schema)) is None:
        return None
    return [row[0] for row in await connection.fetch(qualified(REVISION_SQL, schema))]
