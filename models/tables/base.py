"""The base of every table."""

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
"""Every constraint has a name: a later migration can only change what it can name."""


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """A row of Spacekey's own tables.

    They have a registry of their own: an application that imports Spacekey may have a ``users`` table, or a ``User``,
    among its own SQLModel classes, and its ``create_all`` must not make ours.
    """

    __table__: ClassVar[Table]


SQLITE = "sqlite"
POSTGRESQL = "postgresql"
"""SQLAlchemy's names of the two databases."""


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware moment in UTC: ``timestamptz`` on PostgreSQL, sortable text on SQLite.

    :raises ValueError: when a naive datetime is bound; a moment without a zone is a bug.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite's text form has no zone, so it is dropped there."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given; pass one with a timezone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def moment(*, nullable: bool = True) -> Column[Any]:
    """A column for a moment in UTC."""
    return Column(UtcDateTime(), nullable=nullable)


def words(length: int, *, nullable: bool = False) -> Column[Any]:
    """A column for text of at most ``length`` characters."""
    return Column(String(length), nullable=nullable)
