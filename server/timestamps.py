"""Times in requests and responses: RFC 3339, answered in UTC and ending in Z."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from spacekey.resolvers.validation import parse_moment, unreadable_moment


@overload
def written(moment: datetime) -> str: ...


@overload
def written(moment: datetime | None) -> str | None: ...


def written(moment: datetime | None) -> str | None:
    """Return a time as ``2026-11-22T03:05:41.123Z``."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def read_moment(field: str, value: object) -> datetime:
    """Return the time that a client sent, in UTC.

    :raises InvalidInput: it is not an RFC 3339 time, or has no zone; says which.
    """
    if not isinstance(value, str):
        raise unreadable_moment(field)
    return parse_moment(field, value)
