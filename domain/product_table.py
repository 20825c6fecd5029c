"""Reader for one TOML table, key by key: each read checks the type, and unread keys are refused as unknown.

What is wrong is noted, and a stand-in is read instead, so that all faults of a file are found at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

from .errors import ProductError
from .scope import is_plain_name
from .suggest import did_you_mean, near

TEXT_LENGTH_MAX = 1_000
ENTRIES_MAX = 1_000

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
_REQUIRED: Any = object()


def _noted(stand_in: object) -> Callable[[F], F]:
    """Make a method that reads a key note what is wrong with it, and return a stand-in then."""

    def noting(read: F) -> F:
        @wraps(read)
        def reading(self: Table, *args: Any, **kwargs: Any) -> Any:
            try:
                return read(self, *args, **kwargs)
            except ProductError as error:
                self.note(error)
                self._is_read = False
                return stand_in

        return cast("F", reading)

    return noting


class Table:
    """Typed view of one table of a product file.

    :param faults: what is wrong with the file; this table adds to it.
    """

    def __init__(self, file: str, path: str, data: dict[str, Any], faults: list[ProductError]) -> None:
        self.faults = faults
        self._is_read = True
        self._file = file
        self._path = path
        self._data = data
        self._read: set[str] = set()
        if len(data) > ENTRIES_MAX:
            self.note(self.wrong("", f"has over {ENTRIES_MAX} entries"))
            self._data = {}

    def note(self, error: ProductError) -> None:
        """Note an error, unless its key has one: what follows from a fault is none of its own."""
        if all(one.key != error.key for one in self.faults):
            self.faults.append(error)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note an error that ends the block, unless a key of this table could not be read: it may follow from that."""
        try:
            yield
        except ProductError as error:
            if self._is_read:
                self.note(error)

    def mismatch(self, key: str, remedy: str) -> None:
        """Note that keys do not go together, unless one of this table could not be read: it may follow from that."""
        if self._is_read:
            self.note(self.wrong(key, remedy))

    def wrong(self, key: str, remedy: str) -> ProductError:
        """Return the error for one key of this table, for the caller to raise or note."""
        return ProductError(self._file, ".".join(part for part in (self._path, key) if part) or "(file)", remedy)

    def names(self) -> list[str]:
        """Return the keys as written, in order."""
        return list(self._data)

    def renamed(self, old: str, new: str) -> None:
        """Note a key by its old name. The error names the new one, and its value is read by that."""
        if old in self._data:
            self.note(self.wrong(old, f"is called {new} now: write {new} = …"))
            self._data.setdefault(new, self._data[old])
            self._read.add(old)

    def done(self) -> None:
        """Note keys that were not read: a mistyped key must not be silently ignored."""
        for key in self._data:
            if key not in self._read:
                self.note(self.wrong(key, f"unknown key.{did_you_mean(key, self._read)}"))

    @_noted("")
    def text(self, key: str, default: str = _REQUIRED) -> str:
        """Return a string without control characters."""
        value = self._get(key, default)
        if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or not value.isprintable():
            raise self.wrong(key, f"write one line of text, at most {TEXT_LENGTH_MAX} characters")
        if not value.strip() and default is _REQUIRED:
            raise self.wrong(key, "must not be empty")
        return value

    @_noted("")
    def block(self, key: str, length_max: int) -> str:
        """Return a string that may have several lines; empty if it is left out."""
        value = self._get(key, "")
        if not isinstance(value, str) or len(value) > length_max:
            raise self.wrong(key, f"write text of at most {length_max:,} characters")
        return value.strip()

    @_noted("")
    def name(self, key: str) -> str:
        """Return a lower-case name."""
        value = self.text(key)
        if not is_plain_name(value) or ":" in value:
            raise self.wrong(key, "write a lower-case word, like 'spooled'")
        return value

    @_noted(False)
    def flag(self, key: str) -> bool:
        """Return true or false; false if it is left out."""
        value = self._get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "write true or false")
        return value

    @_noted(None)
    def count(self, key: str, default: T) -> int | T:
        """Return a whole number, 0 or more."""
        value = self._get(key, default)
        if value is default:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
            raise self.wrong(key, "write a whole number, 0 or more")
        return value

    @_noted((1, 1))
    def span(self, key: str) -> tuple[int, int]:
        """Return a whole number as the first and the last, or a list of the two."""
        value = self._get(key, _REQUIRED)
        pair = value if isinstance(value, list) else [value, value]
        whole = [one for one in pair if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 2**31]
        if len(pair) != 2 or len(whole) != 2 or whole[0] > whole[1]:
            raise self.wrong(key, "write a whole number, or the first and the last as [21, 22]")
        return whole[0], whole[1]

    @_noted(())
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

    @_noted(())
    def choices(self, key: str, allowed: Sequence[str], *, empty: bool = False) -> tuple[str, ...]:
        """Return a list of some of the allowed words, which may be ``empty`` or not."""
        value = self.strings(key)
        for one in value:
            if one not in allowed:
                raise self.wrong(key, f"unknown '{one}'; choose from {', '.join(allowed)}")
        if not value and not empty:
            raise self.wrong(key, f"choose at least one of {', '.join(allowed)}")
        return tuple(dict.fromkeys(value))

    def table(self, key: str, *, optional: bool = False) -> Table:
        """Return the table below ``key``; an empty one if it is optional and left out."""
        path = f"{self._path}.{key}".lstrip(".")
        try:
            value = self._get(key, {} if optional else _REQUIRED)
            if not isinstance(value, dict):
                raise self.wrong(key, f"write a table, [{key}]")
        except ProductError as error:
            self.note(error)
            return Table(self._file, path, {}, [error])  # what it lacks is no further fault
        return Table(self._file, path, value, self.faults)

    @_noted(())
    def tables(self, key: str) -> Sequence[Table]:
        """Return the list of tables below ``key``, [[key]]; empty if it is left out."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, f"write a list of tables, [[{key}]]")
        if len(value) > ENTRIES_MAX:
            raise self.wrong(key, f"has over {ENTRIES_MAX} entries")
        return [
            Table(self._file, f"{self._path}.{key}[{number}]".lstrip("."), one, self.faults)
            for number, one in enumerate(value)
        ]

    def entries(self) -> Iterator[tuple[str, Table]]:
        """Yield each key with the table below it."""
        for key in self._data:
            yield key, self.table(key)

    def _get(self, key: str, default: Any) -> Any:
        self._read.add(key)
        value = self._data.get(key, default)
        if value is _REQUIRED:
            mistyped = near(key, self._data.keys() - self._read, most=1)
            self._read.update(mistyped)
            raise self.wrong(key, f"is missing; add it{f', or correct {mistyped[0]!r}' if mistyped else ''}")
        return value
