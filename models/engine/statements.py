"""Statement helpers for both databases: INSERT … ON CONFLICT, results with whole rows, and text search.

SQLAlchemy spells INSERT … ON CONFLICT differently for each database, although both have it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

from sqlalchemy import JSON, Result, Select, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession as SqlalchemyAsyncSession
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.util import identity_key
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.models.tables.base import Row
from spacekey.models.tables.search import folded

from .reading import Reader, Values

Insert: TypeAlias = postgresql.Insert | sqlite.Insert
Columns = TypeVarTuple("Columns")
RowT = TypeVar("RowT", bound=Row)


def insert(connection: AsyncConnection, table: type[Row]) -> Insert:
    """Return an insert with ``on_conflict_do_nothing`` and ``on_conflict_do_update`` for the connection's database."""
    rows = table.__table__
    return sqlite.insert(rows) if connection.dialect.name == "sqlite" else postgresql.insert(rows)


async def insert_row(reader: Reader, table: type[Row], fields: Mapping[str, Any]) -> None:
    """Insert a row.

    :param fields: a value for each field of the table, named as in the class.
    """
    named, columns = _columns(table)
    values = reader.values()
    places = [
        values.bind(json.dumps(value) if is_json and value is not None else value)
        for value, is_json in ((fields[key], is_json) for key, is_json in columns)
    ]
    statement = f"INSERT INTO {table.__table__.name} ({named}) VALUES ({', '.join(places)})"  # noqa: S608 - our own names
    await reader.rows(statement, values)


@cache
def _columns(table: type[Row]) -> tuple[str, list[tuple[str, bool]]]:
    """Return the names of a table's columns, and each one's name in the class and whether it holds JSON."""
    columns = table.__table__.columns
    named = ", ".join(f'"{one.name}"' for one in columns)
    return named, [(str(one.key), isinstance(one.type, JSON)) for one in columns]


async def row_by_id(session: AsyncSession, table: type[RowT], row_id: str) -> RowT | None:
    """Return the row with this id, or None. One that the session holds is not read again, as ``session.get`` does.

    ``session.get`` builds its statement at every call, which takes longer than running it.

    :param table: one whose primary key is ``id``.
    """
    held = session.sync_session.identity_map.get(identity_key(table, (row_id,)))
    if isinstance(held, table) and not instance_state(held).expired:
        return held
    return (await session.exec(_row_by_id(table), params={"id": row_id})).one_or_none()


@cache
def _row_by_id(table: type[RowT]) -> SelectOfScalar[RowT]:
    return select(table).where(table.__table__.c.id == bindparam("id"))


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
