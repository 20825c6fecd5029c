"""INSERT … ON CONFLICT, which both databases know and SQLAlchemy spells once per database."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from spacekey.models.tables.base import Row

Insert: TypeAlias = postgresql.Insert | sqlite.Insert


def insert(connection: AsyncConnection, table: type[Row]) -> Insert:
    """An insert with ``on_conflict_do_nothing`` and ``on_conflict_do_update``, for this connection's database."""
    rows = table.__table__
    return sqlite.insert(rows) if connection.dialect.name == "sqlite" else postgresql.insert(rows)
