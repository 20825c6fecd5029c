"""The values of a statement that is written as text, and how each database keeps a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from .columns import SQLITE

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
