"""The base of every table."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import registry
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
