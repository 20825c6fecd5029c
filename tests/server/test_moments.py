"""Times on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.validate import parse_moment
from spacekey.server.moments import read_moment, written

GOOD = [
    ("2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01t12:00:00z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01 14:00:00+02:00", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ("2026-06-01T12:00:00.123456Z", datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
    ("2026-06-01T12:00:00.123456789Z", datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
]
NAIVE = [
    "2026-06-01T12:00:00",
    "2026-06-01 12:00:00.5",
    "2026-06-01t12:00:00",
]
BEYOND = [
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
]
UNREADABLE = [
    "2026-06-01",
    "2026-06-01T12:00Z",
    "2026-13-01T12:00:00",
    "2026-13-01T12:00:00Z",
    "2026-06-01T24:00:01Z",
    "2026-06-01T12:00:00+99:00",
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


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (NAIVE, f"Give a time with its zone, like '{EXAMPLE_MOMENT}'."),
        (BEYOND, "Give a time between the years 1 and 9999."),
        (UNREADABLE, f"Cannot be read as a time; write '{EXAMPLE_MOMENT}'."),
    ],
    ids=["naive", "beyond", "unreadable"],
)
def test_anything_else_is_refused_by_what_is_wrong_with_it(values: list[object], reason: str) -> None:
    for value in values:
        with pytest.raises(InvalidInput) as refused:
            read_moment("at", value)
        assert (refused.value.field, refused.value.reason) == ("at", reason), value


@pytest.mark.parametrize("text", ["2026-06-01T12:00:00", "2026-13-01T12:00:00Z", "soon"])
def test_rest_and_graphql_say_the_same_of_a_time(text: str) -> None:
    with pytest.raises(InvalidInput) as over_rest:
        read_moment("at", text)
    with pytest.raises(InvalidInput) as over_graphql:
        parse_moment("at", text)
    assert over_rest.value.reason == over_graphql.value.reason


def test_the_example_is_a_time_that_can_be_written() -> None:
    assert read_moment("at", EXAMPLE_MOMENT) == datetime(2030, 1, 31, 12, tzinfo=UTC)


def test_times_are_written_in_utc() -> None:
    moment = datetime(2026, 6, 1, 14, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
    assert written(moment) == "2026-06-01T12:00:00.123Z"
    assert written(None) is None
