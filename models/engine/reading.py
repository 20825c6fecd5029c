"""Reading on the raw driver: one function of queries, run in one hop, with nothing of an ORM in between.

A list of 50 rows costs the ORM several times what the database takes for it. So lists, authority and single records
are read here; SQLModel has the tables, their constraints, the migrations and every change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from spacekey.models.tables.base import SQLITE
from spacekey.models.tables.records import decoder

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


Value: TypeAlias = str | int | bytes | datetime


class Values:
    """The values of one statement, in the order of its placeholders.

    Text from outside only ever becomes a value; what stands in a statement's text is ours.
    """

    __slots__ = ("_mark", "_texts", "given")

    def __init__(self, dialect: str) -> None:
        self._texts = dialect == SQLITE
        self._mark = "?" if self._texts else "$"
        self.given: list[Any] = []

    def bind(self, value: Value) -> str:
        """Add a value.

        :return: its placeholder.
        """
        if self._texts and isinstance(value, datetime):
            value = stored_moment(value)
        self.given.append(value)
        return f"{self._mark}{len(self.given)}"

    def among(self, column: str, values: Iterable[str]) -> str:
        """Add texts, however many, as part of one statement's text.

        :return: the condition that the column holds one of them; false for none.
        """
        listed = sorted(set(values))
        if not self._texts:
            self.given.append(listed)
            return f"{column} = ANY({self._mark}{len(self.given)})"
        return f"{column} IN ({', '.join(self.bind(one) for one in listed)})"


def stored_moment(value: datetime) -> str:
    """Return a moment as SQLite keeps it: text in UTC that sorts.

    :raises ValueError: for a naive datetime.
    """
    if value.tzinfo is None:
        raise ValueError("a naive datetime was given; pass one with a timezone")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
