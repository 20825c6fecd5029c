"""Deprecation of a part of the API: since when, until when, and what to use instead.

REST sends it in headers (RFC 9745 and RFC 8594), GraphQL prints it in ``@deprecated``. docs/reference/stability.md says
what clients may rely on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

WINDOW = timedelta(days=180)
"""How long a deprecated part works at least before it is removed."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Notice about an operation or a field that still works.

    :param since: the day from which it is deprecated, in UTC.
    :param sunset: the first day on which it may be gone, in UTC.
    :param instead: what to use instead, as the end of a sentence that begins with "Use".
    :raises ValueError: if ``sunset`` is less than :data:`WINDOW` after ``since``.
    """

    since: date
    sunset: date
    instead: str

    def __post_init__(self) -> None:
        if self.sunset - self.since < WINDOW:
            raise ValueError(f"What is deprecated works for {WINDOW.days} days more: from {self.since}.")

    @property
    def reason(self) -> str:
        """The notice as a text, such as for ``strawberry.field(deprecation_reason=…)``."""
        return f"Use {self.instead}. Deprecated since {self.since}; may be removed from {self.sunset}."

    @property
    def headers(self) -> dict[str, str]:
        """The headers ``Deprecation`` (RFC 9745 §2.1) and ``Sunset`` (RFC 8594 §3)."""
        sunset = format_datetime(_midnight(self.sunset), usegmt=True)
        return {"Deprecation": f"@{int(_midnight(self.since).timestamp())}", "Sunset": sunset}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
