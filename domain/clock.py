"""Time comes in as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the current time, timezone-aware UTC."""


def utc_now() -> datetime:
    """The system clock, for the wiring outside tests."""
    return datetime.now(UTC)
