"""Times on the wire: RFC 3339 in UTC, ending in Z."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from spacekey.resolvers.validate import clean_moment, unreadable_moment

_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})?", re.ASCII)


def written(moment: datetime | None) -> str | None:
    """``2026-11-22T03:05:41.123Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def read_moment(field: str, value: object) -> datetime:
    """The time a client wrote, in UTC.

    :raises InvalidInput: for anything but an RFC 3339 time with a zone; says which of the two it is not.
    """
    if not isinstance(value, str) or _SHAPE.fullmatch(value) is None:
        raise unreadable_moment(field)
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise unreadable_moment(field) from None
    return clean_moment(field, moment)
