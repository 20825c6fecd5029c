"""Clocks, which are passed in wherever time matters."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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


def written_to_milliseconds(moment: datetime) -> str:
    """Return a moment as ``2026-11-22T03:05:41.123Z``: in UTC, without later digits, as interfaces show it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def whole_milliseconds_later(moment: datetime) -> datetime:
    """Return the first moment with whole milliseconds that is not before this one."""
    return moment + timedelta(microseconds=-moment.microsecond % 1_000)


def utc_now() -> datetime:
    """Return the system clock's time, for code outside tests."""
    return datetime.now(UTC)
