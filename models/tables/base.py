"""Base class and column types of every table, equal on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import Column, DateTime, Dialect, MetaData, String, Table
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
"""Names for all constraints, because a later migration can only change constraints by name."""

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
"""SQLAlchemy's names of the two databases."""


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """Row of Spacekey's own tables.

    The tables have a registry of their own: an application that imports Spacekey may have a ``users`` table or a
    ``User`` class of its own, and its ``create_all`` must not create Spacekey's tables.
    """

    __table__: ClassVar[Table]


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware time in UTC: ``timestamptz`` on PostgreSQL, sortable text on SQLite.

    :raises ValueError: if a naive datetime is bound; a time without a zone is a bug.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC; without its zone for SQLite, whose text form has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given; pass one with a timezone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def moment(*, nullable: bool = True) -> Column[Any]:
    """Return a column for a time in UTC."""
    return Column(UtcDateTime(), nullable=nullable)


def words(length: int, *, nullable: bool = False) -> Column[Any]:
    """Return a column for text of at most ``length`` characters."""
    return Column(String(length), nullable=nullable)
