"""Clocks, which are passed in wherever time matters."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

WallClock = Callable[[], datetime]
"""Returns the current time, timezone-aware UTC."""

MonotonicClock = Callable[[], float]
"""Returns seconds since some fixed moment; never goes back and does not stop while the machine sleeps."""

_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)

boot_clock: MonotonicClock = time.monotonic if _BOOT_TIME is None else partial(time.clock_gettime, _BOOT_TIME)
"""Clock of the seconds since the machine started, including suspension if the system can tell.

A monotonic clock that stops during suspension would let a cache serve what it read before a night's sleep."""

EXAMPLE_MOMENT = "2030-01-31T12:00:00Z"
"""Example of how to write a moment, for error messages."""


def written_exactly(moment: datetime) -> str:
    """Return a moment as ``2026-11-22T03:05:41.123456Z``: to the microsecond, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def utc_now() -> datetime:
    """Return the system clock's time, for code outside tests."""
    return datetime.now(UTC)
