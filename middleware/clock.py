"""The clocks the middleware reads, passed in wherever time matters."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

Clock = Callable[[], float]
"""Seconds since some fixed moment; never goes back and does not stop while the machine sleeps."""

WallClock = Callable[[], datetime]
"""The time of day, in UTC."""

_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)

boot_clock: Clock = time.monotonic if _BOOT_TIME is None else partial(time.clock_gettime, _BOOT_TIME)
"""Seconds since the machine started, counting the time it was suspended, where the system can tell.

A monotonic clock that stops during suspension would let a cache serve what it read before a night's sleep.
"""


def utc_now() -> datetime:
    """Now, timezone-aware."""
    return datetime.now(UTC)
