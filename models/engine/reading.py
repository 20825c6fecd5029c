"""Reads on the raw driver: a function of queries runs in one hop, without an ORM, with its values bound.

For a list of 50 rows an ORM takes several times as long as the database. So lists, authority and single records are
read here; SQLModel has the tables, their constraints, the migrations and every change.
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
    """Connection on which a function reads or, in a change, also writes."""

    dialect: str

    @abstractmethod
    async def rows(self, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
        """Run a statement.

        :param values: from :meth:`values`; None for a statement without values.
        :return: its rows, as the driver gives them.
        """

    def values(self) -> Values:
        """Return an empty set of values for a new statement."""
        return Values(self.dialect)

    def locking(self, clause: str) -> str:
        """Return the end of a statement that locks rows; nothing on SQLite, where a change is the only one anyway.

        :param clause: as PostgreSQL has it, such as ``FOR UPDATE``.
        """
        return "" if self.dialect == SQLITE else f" {clause}"

    async def records(self, record: type[R], statement: str, values: Values | None = None) -> list[R]:
        """Run a statement whose columns are the record's.

        :param record: a class of :mod:`spacekey.models.tables.records`.
        """
        take = decoder(record, self.dialect)
        return [take(row) for row in await self.rows(statement, values)]


Reading: TypeAlias = Callable[[Reader], Awaitable[T]]
"""Function of queries. It waits only for its reader: on SQLite a thread runs it to its end."""


class Commit:
    """Commit of one change: whether it was sent, after which the change may have been made.

    :param note: called just before it is sent.
    """

    def __init__(self, note: Callable[[], None]) -> None:
        self.is_sent = False
        self._note = note

    def send(self) -> None:
        """Note that it is about to be sent."""
        self._note()
        self.is_sent = True


Value: TypeAlias = str | int | bytes | datetime | None


class Values:
    """Values of one statement, in the order of its placeholders.

    Text from outside only ever becomes a value; a statement's own text is written here.
    """

    __slots__ = ("_mark", "_texts", "dialect", "given")

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
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
        """Add texts, however many, to one statement.

        :return: the condition that the column equals one of them; false for none.
        """
        listed = sorted(set(values))
        if not self._texts:
            self.given.append(listed)
            return f"{column} = ANY({self._mark}{len(self.given)})"
        return f"{column} IN ({', '.join(self.bind(one) for one in listed)})"


def stored_moment(value: datetime) -> str:
    """Return a time as SQLite stores it: text in UTC that sorts.

    :raises ValueError: for a naive datetime.
    """
    if value.tzinfo is None:
        raise ValueError("a naive datetime was given; pass one with a timezone")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
