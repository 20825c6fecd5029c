"""``--expires``: a moment, a span from now, or never."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET, Unset

HELP = "When it ends: 90d, 12h, a time like 2030-01-31T12:00:00Z, or never; left out: the workspace's policy."

_SPAN = re.compile(r"([1-9][0-9]{0,4})([dhm])", re.ASCII)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def read_expiry(text: str | None, now: datetime) -> datetime | Unset | None:
    """UNSET when nothing was said, None for ``never``.

    :raises InvalidInput: with what to write.
    """
    if text is None:
        return UNSET
    if text == "never":
        return None
    if span := _SPAN.fullmatch(text):
        return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput("expires_at", "Write 90d, 12h, 30m, never, or a time with its zone: 2030-01-31T12:00:00Z.")
    return moment
