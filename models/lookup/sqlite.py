"""Lookup on SQLite: a read of a few microseconds, called directly on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.outage import lost
from spacekey.models.engine.sqlite import SqliteFile
from spacekey.models.engine.sqlite_reads import close_all
from spacekey.models.migrations.schema_version import REVISION_SQL, VERSION_TABLE

from .facts import NO_MOMENTS, PLAIN_COLUMNS, TokenFacts, batch_sql, facts_of, lookup_sql, refuse_schema

SQLITE_LOOKUP_BUSY_SECONDS = 0.05

LOOK_EVERY_SECONDS = 1.0
"""How long a moved, deleted or replaced file may go unnoticed; checking costs a tenth of a read."""

ON_LOOP_MAX = 20
"""Maximum number of tokens read on the event loop. Reading more takes longer than handing over to a thread."""

SQLITE_BATCH_SECONDS = 1.0

_SQL = lookup_sql("?")
_BATCH_SQL = batch_sql()
_USUAL_FACTS = (False, False, *NO_MOMENTS)
"""Facts from ``PLAIN_COLUMNS`` on for nearly every token in use: false and without times."""

_USUAL_COLUMNS = (*_USUAL_FACTS, None)
"""The same in a row, whose last column is the successor's first use."""

_made = tuple.__new__


class SqliteLookup:
    """Lookup on one read-only connection, opened at the first use.

    A single token is read on the event loop, because handing over to a thread would take longer than the read.

    Batches are read in threads, each on a connection of its own, which the next batch reuses.

    :param path: the database file.
    :param busy_seconds: how long a read may wait for a lock. In WAL mode readers need one only during recovery.
    :param batch_seconds: how long a read in a thread is waited for; then the lookup cannot tell.
    :param check_schema: refuse another version's schema. It is checked until it matches and then never again: a process
        keeps running while another version migrates the database, as a server does.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_seconds: float = SQLITE_LOOKUP_BUSY_SECONDS,
        batch_seconds: float = SQLITE_BATCH_SECONDS,
        check_schema: bool = False,
    ) -> None:
        self._uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        self._busy_seconds = busy_seconds
        self._batch_seconds = batch_seconds
        self._connection: sqlite3.Connection | None = None
        self._of_batches: list[sqlite3.Connection] = []
        self._file = SqliteFile(path)
        self._look_at = 0.0
        self._closings = 0
        self._schema_fits = not check_schema

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`spacekey.models.lookup.facts.TokenLookup`."""
        try:
            # Fetch all, although there is one row: that ends the statement, and with it the read transaction.
            rows = (self._connection or self._open()).execute(_SQL, (digest,)).fetchall()
            if time.monotonic() >= self._look_at:
                self._file.check()
                self._look_at = time.monotonic() + LOOK_EVERY_SECONDS
        except sqlite3.Error as error:
            self._close()
            raise ServiceUnavailable(lost(error)) from None
        return _facts(rows[0]) if rows else None

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """See :class:`spacekey.models.lookup.facts.TokenLookup`."""
        if len(digests) > ON_LOOP_MAX:
            try:
                async with asyncio.timeout(self._batch_seconds):
                    return await asyncio.to_thread(self._read_in_thread, digests, self._closings)
            except (sqlite3.Error, TimeoutError) as error:
                raise ServiceUnavailable(lost(error)) from None
        try:
            found = _read_batch(self._connection or self._open(), digests)
            self._file.check()
        except sqlite3.Error as error:
            self._close()
            raise ServiceUnavailable(lost(error)) from None
        return found

    async def aclose(self) -> None:
        """Close the connections; one that a thread reads on, after it. A later lookup opens new ones."""
        self._closings += 1
        self._close()
        close_all(self._of_batches)

    def _read_in_thread(self, digests: Sequence[bytes], closings: int) -> dict[bytes, TokenFacts]:
        """Read on a connection that no other thread uses meanwhile. It is not reused after an error."""
        try:
            connection = self._of_batches.pop()
        except IndexError:
            connection = self._connect()
        try:
            found = _read_batch(connection, digests)
            self._file.check()
        except BaseException:
            connection.close()
            raise
        self._of_batches.append(connection)
        if closings != self._closings:  # looked at afterwards, since the loop's thread may close at any time
            close_all(self._of_batches)
        return found

    def _open(self) -> sqlite3.Connection:
        # One call at a time, on the loop's thread; only closing may happen in another.
        self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri, uri=True, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA query_only=ON")
            self._file.opened()
            if not self._schema_fits:
                refuse_schema(_revisions(connection))  # until it matches, each connection checks again
                self._schema_fits = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read_batch(connection: sqlite3.Connection, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
    if not digests:
        return {}
    rows = connection.execute(_BATCH_SQL, (len(digests), b"".join(digests))).fetchall()
    return {row[0]: _facts(row[1:]) for row in rows}


def _revisions(connection: sqlite3.Connection) -> list[str] | None:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(named, (VERSION_TABLE,)).fetchone() is None:
        return None
    return [revision for (revision,) in connection.execute(REVISION_SQL)]


def _facts(row: tuple[Any, ...]) -> TokenFacts:
    """Return the facts of a row. SQLite stores booleans as numbers, and times as text in UTC."""
    rest = row[PLAIN_COLUMNS:]
    if rest == _USUAL_COLUMNS:
        return _made(TokenFacts, row[:PLAIN_COLUMNS] + _USUAL_FACTS)  # the usual case; as ``_make``, in half the time
    retires, used, *moments = rest
    return facts_of((*row[:PLAIN_COLUMNS], bool(retires), bool(used), *map(_moment, moments)))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
