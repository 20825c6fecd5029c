"""INSERT … ON CONFLICT, which both databases know and SQLAlchemy spells once per database."""

from __future__ import annotations

from typing import TypeAlias, TypeVarTuple

from sqlalchemy import Result, Select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession as SqlalchemyAsyncSession
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import InvalidInput
from spacekey.models.tables.base import Row
from spacekey.models.tables.search import folded

from .reading import Values

Insert: TypeAlias = postgresql.Insert | sqlite.Insert


def insert(connection: AsyncConnection, table: type[Row]) -> Insert:
    """An insert with ``on_conflict_do_nothing`` and ``on_conflict_do_update``, for this connection's database."""
    rows = table.__table__
    return sqlite.insert(rows) if connection.dialect.name == "sqlite" else postgresql.insert(rows)


Columns = TypeVarTuple("Columns")


async def result_of(session: AsyncSession, statement: Select[*Columns]) -> Result[*Columns]:
    """The result with whole rows.

    SQLModel's own ``exec`` cuts the rows of a select that began with one column down to that column, whatever was
    added to it later, and its ``execute`` warns.
    """
    return await SqlalchemyAsyncSession.execute(session, statement)


def contains(values: Values, field: str, text: str, column: str) -> str:
    """Return the condition that a column of searchable text holds ``text``; ``%`` and ``_`` mean themselves.

    :param field: the argument the text came in, for the error.
    :raises InvalidInput: for text that no database could hold.
    """
    if "\0" in text or not _encodable(text):
        raise InvalidInput(field, "Holds characters that no text can hold.")
    plain = folded(text).replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"{column} LIKE {values.bind(f'%{plain}%')} ESCAPE '/'"


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
