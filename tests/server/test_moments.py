"""Times on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.server.moments import read_moment, written

GOOD = [
    ("2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01t12:00:00z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01 14:00:00+02:00", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01T12:00:00.123456Z", datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
    ("2026-06-01T12:00:00.123456789Z", datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
]
BAD = [
    "2026-06-01",
    "2026-06-01T12:00:00",
    "2026-06-01T12:00Z",
    "2026-13-01T12:00:00Z",
    "2026-06-01T24:00:01Z",
    "2026-06-01T12:00:00+99:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "٢٠٢٦-06-01T12:00:00Z",
    "20260601T120000Z",
    "",
    None,
    1_780_000_000,
    True,
]


@pytest.mark.parametrize(("text", "moment"), GOOD)
def test_times_with_a_zone_are_read(text: str, moment: datetime) -> None:
    assert read_moment("at", text) == moment


@pytest.mark.parametrize("value", BAD)
def test_anything_else_is_refused_by_field_with_an_example(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"at: .*2027-01-31T12:00:00Z"):
        read_moment("at", value)


def test_times_are_written_in_utc() -> None:
    moment = datetime(2026, 6, 1, 14, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
    assert written(moment) == "2026-06-01T12:00:00.123Z"
    assert written(None) is None
