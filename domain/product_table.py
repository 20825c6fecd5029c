"""Reader for one TOML table, key by key: each read checks the type, and unread keys are refused as unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from .errors import ProductError
from .scope import is_scope_name
from .suggest import did_you_mean, near

TEXT_LENGTH_MAX = 1_000
ENTRIES_MAX = 1_000

T = TypeVar("T")
_REQUIRED: Any = object()


class Table:
    """Typed view of one table of a product file."""

    def __init__(self, file: str, path: str, data: dict[str, Any]) -> None:
        self._file = file
        self._path = path
        self._data = data
        self._read: set[str] = set()
        if len(data) > ENTRIES_MAX:
            raise self.wrong("", f"has over {ENTRIES_MAX} entries")

    def wrong(self, key: str, remedy: str) -> ProductError:
        """Return the error for one key of this table, for the caller to raise."""
        return ProductError(self._file, ".".join(part for part in (self._path, key) if part) or "(file)", remedy)

    def names(self) -> list[str]:
        """Return the keys as written, in order."""
        return list(self._data)

    def renamed(self, old: str, new: str) -> None:
        """Refuse a key by its old name.

        :raises ProductError: if the table has it; the error names the new one.
        """
        if old in self._data:
            raise self.wrong(old, f"is called {new} now: write {new} = …")

    def done(self) -> None:
        """Refuse keys that were not read: a mistyped key must not be silently ignored."""
        for key in self._data:
            if key not in self._read:
                raise self.wrong(key, f"unknown key.{did_you_mean(key, self._read)}")

    def text(self, key: str, default: str = _REQUIRED) -> str:
        """Return a string without control characters."""
        value = self._get(key, default)
        if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or not value.isprintable():
            raise self.wrong(key, f"write one line of text, at most {TEXT_LENGTH_MAX} characters")
        if not value.strip() and default is _REQUIRED:
            raise self.wrong(key, "must not be empty")
        return value

    def name(self, key: str) -> str:
        """Return a lower-case name."""
        value = self.text(key)
        if not is_scope_name(value) or ":" in value:
            raise self.wrong(key, "write a lower-case word, like 'spooled'")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false; false if it is left out."""
        value = self._get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "write true or false")
        return value

    def count(self, key: str, default: T) -> int | T:
        """Return a whole number, 0 or more."""
        value = self._get(key, default)
        if value is default:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
            raise self.wrong(key, "write a whole number, 0 or more")
        return value

    def span(self, key: str) -> tuple[int, int]:
        """Return a whole number as the first and the last, or a list of the two."""
        value = self._get(key, _REQUIRED)
        pair = value if isinstance(value, list) else [value, value]
        whole = [one for one in pair if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 2**31]
        if len(pair) != 2 or len(whole) != 2 or whole[0] > whole[1]:
            raise self.wrong(key, "write a whole number, or the first and the last as [21, 22]")
        return whole[0], whole[1]

    def strings(self, key: str, default: T = _REQUIRED) -> tuple[str, ...] | T:
        """Return a list of strings."""
        value = self._get(key, default)
        if value is default:
            return default
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(key, 'write a list of strings, like ["jobs:read"]')
        if len(value) > ENTRIES_MAX:
            raise self.wrong(key, f"has over {ENTRIES_MAX} entries")
        return tuple(value)

    def choices(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return a list, not empty, of some of the allowed words."""
        value = self.strings(key)
        for one in value:
            if one not in allowed:
                raise self.wrong(key, f"unknown '{one}'; choose from {', '.join(allowed)}")
        if not value:
            raise self.wrong(key, f"choose at least one of {', '.join(allowed)}")
        return tuple(dict.fromkeys(value))

    def table(self, key: str, *, optional: bool = False) -> Table:
        """Return the table below ``key``; an empty one if it is optional and left out."""
        value = self._get(key, {} if optional else _REQUIRED)
        if not isinstance(value, dict):
            raise self.wrong(key, f"write a table, [{key}]")
        return Table(self._file, f"{self._path}.{key}".lstrip("."), value)

    def tables(self, key: str) -> list[Table]:
        """Return the list of tables below ``key``, [[key]]; empty if it is left out."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, f"write a list of tables, [[{key}]]")
        if len(value) > ENTRIES_MAX:
            raise self.wrong(key, f"has over {ENTRIES_MAX} entries")
        return [Table(self._file, f"{key}[{number}]", one) for number, one in enumerate(value)]

    def entries(self) -> Iterator[tuple[str, Table]]:
        """Yield each key with the table below it."""
        for key in self._data:
            yield key, self.table(key)

    def _get(self, key: str, default: Any) -> Any:
        self._read.add(key)
        value = self._data.get(key, default)
        if value is _REQUIRED:
            mistyped = near(key, self._data.keys() - self._read, most=1)
            raise self.wrong(key, f"is missing; add it{f', or correct {mistyped[0]!r}' if mistyped else ''}")
        return value
