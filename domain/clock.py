"""Time comes in as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the current time, timezone-aware UTC."""

EXAMPLE_MOMENT = "2030-01-31T12:00:00Z"
"""How a moment is written, in every message that says so."""


def written_exactly(moment: datetime) -> str:
    """``2026-11-22T03:05:41.123456Z``: to the microsecond, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def utc_now() -> datetime:
    """The system clock, for the wiring outside tests."""
    return datetime.now(UTC)
