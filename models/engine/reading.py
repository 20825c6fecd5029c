"""Reading on the raw driver: one function of queries, run in one hop, with nothing of an ORM in between.

A list of 50 rows costs the ORM several times what the database takes for it. So lists, authority and single records
are read here; SQLModel has the tables, their constraints, the migrations and every change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from spacekey.models.tables.records import decoder
from spacekey.models.values import Values

T = TypeVar("T")
R = TypeVar("R", bound=tuple[Any, ...])
ResultRow: TypeAlias = Sequence[Any]


class Reader(ABC):
    """A connection on which a function reads."""

    dialect: str

    @abstractmethod
    async def rows(self, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
        """Run a statement.

        :param values: made by :meth:`values`; None for a statement without any.
        :return: its rows, as the driver gives them.
        """

    def values(self) -> Values:
        """Return the empty values of a new statement."""
        return Values(self.dialect)

    async def records(self, record: type[R], statement: str, values: Values | None = None) -> list[R]:
        """Run a statement whose columns are the record's.

        :param record: a class of :mod:`spacekey.models.tables.records`.
        """
        take = decoder(record, self.dialect)
        return [take(row) for row in await self.rows(statement, values)]


Reading: TypeAlias = Callable[[Reader], Awaitable[T]]
"""A function of queries. It waits for nothing but its reader: on SQLite a thread runs it to its end."""
