"""Counters in a file that all processes read, and that keep the numbers of a process after ``kill -9``."""

from __future__ import annotations

import mmap
from enum import IntEnum
from pathlib import Path

_WIDTH = 8


class Managed(IntEnum):
    """What the managing process writes of each takeaway: stamps of the boot clock in seconds, 0 for "not yet"."""

    BEGAN = 0
    COMMITTED = 1
    ANSWERED = 2


class Used(IntEnum):
    """What a verifying process writes of each token. A use counts by the moment before its verification began."""

    TRIED = 0
    ACCEPTED = 1
    REFUSED = 2
    CANNOT_TELL = 3
    TRIED_AFTER = 4
    LAST_ACCEPTED = 5


class SharedCounters:
    """Rows of numbers, shared by mapping one file. Each file has one writer; other processes may read at any time.

    A number is eight aligned bytes, so no reader sees half of one.

    :param path: the file; made, full of zeros, when it is not there.
    """

    def __init__(self, path: Path, rows: int, columns: type[IntEnum]) -> None:
        self.rows = rows
        self._columns = len(columns)
        size = max(1, rows * self._columns) * _WIDTH
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self._numbers = memoryview(self._map).cast("d")

    def get(self, row: int, column: IntEnum) -> float:
        """The number as it is now."""
        return self._numbers[row * self._columns + column]

    def put(self, row: int, column: IntEnum, number: float) -> None:
        """Write the number, for all to see."""
        self._numbers[row * self._columns + column] = number

    def add(self, row: int, column: IntEnum, number: float = 1) -> None:
        """Write the number that is there and this one together."""
        self._numbers[row * self._columns + column] += number

    def total(self, column: IntEnum) -> float:
        """The sum of a column."""
        return sum(self._numbers[column :: self._columns])

    def __enter__(self) -> SharedCounters:
        return self

    def __exit__(self, *_: object) -> None:
        self._numbers.release()
        self._map.close()
