"""The base of every table."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Table
from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Row(SQLModel, registry=registry()):
    """A row of Spacekey's own tables.

    They have a registry of their own: an application that imports Spacekey may have a ``users`` table, or a ``User``,
    among its own SQLModel classes, and its ``create_all`` must not make ours.
    """

    __table__: ClassVar[Table]
