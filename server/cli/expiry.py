"""``--expires``: a moment, a span from now, or never. Lifetimes: a span, or none."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET, Unset
from spacekey.resolvers.validation import parse_moment

HELP = f"When it ends: 90d, 12h, a time like {EXAMPLE_MOMENT}, or never; left out: the workspace's policy."

_SPAN = re.compile(r"([1-9][0-9]{0,4})([dhm])", re.ASCII)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def read_lifetime(field: str, text: str | None) -> int | Unset | None:
    """Seconds; UNSET when nothing was said, None for ``none``.

    :raises InvalidInput: with what to write.
    """
    if text is None:
        return UNSET
    if text == "none":
        return None
    span = _span(text)
    if span is None:
        raise InvalidInput(field, "Write 90d, 12h, 30m or none.")
    return int(span.total_seconds())


def read_expiry(text: str | None, now: datetime) -> datetime | Unset | None:
    """UNSET when nothing was said, None for ``never``.

    :raises InvalidInput: with what to write.
    """
    if text is None:
        return UNSET
    if text == "never":
        return None
    span = _span(text)
    if span is not None:
        return now + span
    try:
        return parse_moment("expires_at", text)
    except InvalidInput:
        raise InvalidInput(
            "expires_at", f"Write 90d, 12h, 30m, never, or a time with its zone: {EXAMPLE_MOMENT}."
        ) from None


def _span(text: str) -> timedelta | None:
    found = _SPAN.fullmatch(text)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})
