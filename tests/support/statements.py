"""How many SQL statements something takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from spacekey.models.engine.postgres_reads import PostgresReader
from spacekey.models.engine.reading import Reader, ResultRow, Values
from spacekey.models.engine.sqlite_reads import SqliteReader
from spacekey.models.engine.store import Store


@contextmanager
def counting(store: Store) -> Iterator[list[str]]:
    """The statements that run meanwhile, transactions' own words left out."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.split(None, 1)[0].upper() not in {"BEGIN", "COMMIT", "ROLLBACK", "PRAGMA"}:
            seen.append(statement)

    engine = store.engine.sync_engine
    readers: list[Any] = [SqliteReader, PostgresReader]
    kept = [reader.rows for reader in readers]

    def noting(rows: Any) -> Any:
        async def noted(reader: Reader, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
            seen.append(statement)
            found: Sequence[ResultRow] = await rows(reader, statement, values)
            return found

        return noted

    event.listen(engine, "before_cursor_execute", note)
    for reader, rows in zip(readers, kept, strict=True):
        reader.rows = noting(rows)
    try:
        yield seen
    finally:
        for reader, rows in zip(readers, kept, strict=True):
            reader.rows = rows
        event.remove(engine, "before_cursor_execute", note)
