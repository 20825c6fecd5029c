"""The hot lookup on PostgreSQL: prepared once per connection, one round trip, within a deadline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import URL, make_url

from spacekey.domain.errors import Unavailable

from .lookup import TokenFacts, facts_of, lookup_sql, refuse_schema
from .outage import BARE, lost
from .schema_version import REVISION_SQL

LOOKUP_POOL_SIZE = 4
LOOKUP_DEADLINE_SECONDS = 1.0

_SQL = lookup_sql("$1")


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection with the statement prepared on it."""

    connection: asyncpg.Connection
    statement: PreparedStatement


class PostgresLookup:
    """A few connections, opened when they are needed; the one used last is used next.

    The driver's own pool would reset a connection after each use, a second round trip that nothing here needs, and
    could wait beyond the deadline for a query it cancelled. Here whatever fails or is late is dropped.

    :param url: as :class:`spacekey.models.store.Store` takes it. It must lead to the primary: a replica lags.
    :param pool_size: how many lookups run at once; more wait, within their deadline.
    :param deadline_seconds: for waiting, connecting and asking together.
    :param check_schema: refuse a schema that is not this version's. It is looked at until it fits, then no more: a
        process that runs while another version migrates the database goes on, as a server does.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        pool_size: int = LOOKUP_POOL_SIZE,
        deadline_seconds: float = LOOKUP_DEADLINE_SECONDS,
        check_schema: bool = False,
    ) -> None:
        self._target = _target(make_url(url))
        self._deadline_seconds = deadline_seconds
        self._places = asyncio.Semaphore(pool_size)
        self._idle: list[_Line] = []
        self._schema_fits = not check_schema

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`spacekey.models.lookup.TokenLookup`."""
        try:
            async with asyncio.timeout(self._deadline_seconds), self._places:
                row = await self._ask(digest)
        except (*BARE, OSError) as error:
            # TimeoutError is an OSError. The text may name hosts and users: it is not kept.
            raise Unavailable(lost(error)) from None
        return None if row is None else facts_of(row)

    async def aclose(self) -> None:
        """Close the connections that are not in use. A later lookup opens others."""
        idle, self._idle = self._idle, []
        for line in idle:
            try:
                await line.connection.close(timeout=self._deadline_seconds)
            except (*BARE, OSError):
                line.connection.terminate()

    async def _ask(self, digest: bytes) -> Any:
        while self._idle:
            line = self._idle.pop()
            if line.connection.is_closed():
                continue
            try:
                return await self._ask_on(line, digest)
            except (*BARE, ConnectionError):
                # It may have gone stale while idle: a restart, a migration. Reading again harms nothing.
                continue
        return await self._ask_on(await self._connect(), digest)

    async def _ask_on(self, line: _Line, digest: bytes) -> Any:
        try:
            row = await line.statement.fetchrow(digest)
        except BaseException:
            line.connection.terminate()
            raise
        self._idle.append(line)
        return row

    async def _connect(self) -> _Line:
        connection = await asyncpg.connect(**self._target, timeout=self._deadline_seconds)
        try:
            if not self._schema_fits:
                refuse_schema(await _revisions(connection))
                self._schema_fits = True
            return _Line(connection, await connection.prepare(_SQL))
        except BaseException:
            connection.terminate()
            raise


async def _revisions(connection: asyncpg.Connection) -> list[str] | None:
    try:
        return [row[0] for row in await connection.fetch(REVISION_SQL)]
    except asyncpg.UndefinedTableError:
        return None


def _target(url: URL) -> dict[str, Any]:
    """The driver's own arguments for this URL, without what only SQLAlchemy's adapter understands."""
    _, arguments = url.set(drivername="postgresql+asyncpg").get_dialect()().create_connect_args(url)
    for adapters in ("prepared_statement_cache_size", "prepared_statement_name_func"):
        arguments.pop(adapters, None)
    return dict(arguments)
