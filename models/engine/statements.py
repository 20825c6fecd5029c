"""Statement helpers for both databases: INSERT … ON CONFLICT, results with whole rows, and text search.

SQLAlchemy spells INSERT … ON CONFLICT differently for each database, although both have it.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVarTuple

from sqlalchemy import Result, Select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession as SqlalchemyAsyncSession
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.models.tables.base import Row
from spacekey.models.tables.search import folded

from .reading import Values

Insert: TypeAlias = postgresql.Insert | sqlite.Insert
Columns = TypeVarTuple("Columns")


def insert(connection: AsyncConnection, table: type[Row]) -> Insert:
    """Return an insert with ``on_conflict_do_nothing`` and ``on_conflict_do_update`` for the connection's database."""
    rows = table.__table__
    return sqlite.insert(rows) if connection.dialect.name == "sqlite" else postgresql.insert(rows)


async def result_of(session: AsyncSession, statement: Select[*Columns]) -> Result[*Columns]:
    """Execute a select and return its result with whole rows.

    SQLModel's own ``exec`` reduces the rows of a select that began with one column to that column, even if others were
    added later, and its ``execute`` warns.
    """
    return await SqlalchemyAsyncSession.execute(session, statement)


def contains(values: Values, field: str, text: str, column: str) -> str:
    """Return the condition that a column of searchable text contains ``text``; ``%`` and ``_`` have no special meaning.

    :param field: the argument that the text came from, for the error.
    :raises InvalidInput: for text that no database could store.
    """
    if "\0" in text or not _encodable(text):
        raise InvalidInput(field, "Contains characters that cannot be stored.", InputCode.INVALID_CHARACTERS)
    plain = folded(text).replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"{column} LIKE {values.bind(f'%{plain}%')} ESCAPE '/'"


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
