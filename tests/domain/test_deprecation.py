"""What a notice of deprecation says, in words and in headers."""

from __future__ import annotations

from datetime import date, timedelta
from email.utils import parsedate_to_datetime

import pytest

from spacekey.domain.deprecation import WINDOW, Deprecation
from support.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "stability.md").read_text(encoding="utf-8")
SINCE = date(2026, 12, 1)


def test_the_headers_are_those_of_the_rfcs() -> None:
    notice = Deprecation(SINCE, date(2027, 12, 1), "`GET /keys`")
    assert notice.headers == {"Deprecation": "@1796083200", "Sunset": "Wed, 01 Dec 2027 00:00:00 GMT"}
    assert parsedate_to_datetime(notice.headers["Sunset"]).date() == notice.sunset
    assert notice.reason == "Use `GET /keys`. Deprecated since 2026-12-01; may be removed from 2027-12-01."


def test_what_is_deprecated_works_for_the_window_that_the_docs_promise() -> None:
    assert Deprecation(SINCE, SINCE + WINDOW, "x").sunset == SINCE + WINDOW
    assert f"works for at least {WINDOW.days} days" in PAGE
    with pytest.raises(ValueError, match=f"{WINDOW.days} days"):
        Deprecation(SINCE, SINCE + WINDOW - timedelta(days=1), "x")
