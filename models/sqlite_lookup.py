"""The hot lookup on SQLite: a read of a few microseconds, called straight from the event loop."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spacekey.domain.errors import Unavailable

from .lookup import TokenFacts, facts_of, lookup_sql

SQLITE_LOOKUP_BUSY_SECONDS = 0.05
"""How long a read may wait for a lock. In WAL mode readers need none but for moments of recovery."""

_SQL = lookup_sql("?")
_MOMENTS = (7, 8, 9, 10, 11, 12, 21, 22, 23)


class SqliteLookup:
    """One read-only connection, opened at the first use. Handing the read to a thread would cost more than it takes.

    :param path: the database file.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = SQLITE_LOOKUP_BUSY_SECONDS) -> None:
        self._uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`spacekey.models.lookup.TokenLookup`."""
        try:
            # Closing the cursor ends the statement, and with it the read transaction.
            with closing(self._open().execute(_SQL, (digest,))) as cursor:
                row = cursor.fetchone()
        except sqlite3.Error:
            self._close()
            raise Unavailable("the database does not answer") from None
        return None if row is None else facts_of(_with_moments(row))

    async def aclose(self) -> None:
        """Close the connection. A later lookup opens another."""
        self._close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # One call at a time, on the loop's thread; only closing may come from another.
            self._connection = sqlite3.connect(
                self._uri, uri=True, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA query_only=ON")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _with_moments(row: tuple[Any, ...]) -> list[Any]:
    """SQLite keeps moments as text in UTC."""
    values = list(row)
    for index in _MOMENTS:
        if values[index] is not None:
            values[index] = datetime.fromisoformat(values[index]).replace(tzinfo=UTC)
    return values
