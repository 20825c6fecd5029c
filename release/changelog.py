"""The changelog's section of a version: its date, which is the time of the release everywhere."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from .errors import ReleaseError

UNRELEASED = "unreleased"
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", re.ASCII)
_HEADING = re.compile(r"^## (?P<version>\S+) – (?P<date>\S+)$", re.MULTILINE)


def checked_version(text: str) -> str:
    """Return the version.

    :raises ReleaseError: it is not of the form 0.1.0 or 0.1.0rc1.
    """
    if VERSION.fullmatch(text) is None:
        raise ReleaseError(f"'{text}' is no version: write one such as 0.1.0 or 0.1.0rc1")
    return text


def dated(changelog: str, version: str, day: date) -> str:
    """Return the changelog with the date of a version that was unreleased.

    :raises ReleaseError: the newest section is not that version's, or has a date.
    """
    heading = _HEADING.search(changelog)
    if heading is None or heading["version"] != version:
        newest = "no version" if heading is None else heading["version"]
        raise ReleaseError(f"CHANGELOG.md begins with {newest}; write a section '## {version} – {UNRELEASED}' above it")
    if heading["date"] != UNRELEASED:
        raise ReleaseError(f"CHANGELOG.md: {version} was released on {heading['date']}; choose a higher version")
    start, end = heading.span("date")
    return f"{changelog[:start]}{day.isoformat()}{changelog[end:]}"


def released_at(changelog: str, version: str) -> datetime:
    """Return the beginning, in UTC, of the day on which the version was released.

    :raises ReleaseError: the version has no section, or no date yet.
    """
    for heading in _HEADING.finditer(changelog):
        if heading["version"] != version:
            continue
        try:
            day = date.fromisoformat(heading["date"])
        except ValueError:
            raise ReleaseError(
                f"CHANGELOG.md: {version} has no date; run: make release-prepare VERSION={version}"
            ) from None
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    raise ReleaseError(f"CHANGELOG.md has no section '## {version} – …'")
