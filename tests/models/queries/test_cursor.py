"""Cursors: opaque, checked, and good for one ordering only."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.refusal import InvalidInput
from spacekey.models.queries.pagination import Key, read_cursor, write_cursor

WHEN = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)

moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
keys = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), texts, moments)


@given(key=keys, identity=texts)
def test_a_cursor_reads_back_as_it_was_written(key: Key, identity: str) -> None:
    assert read_cursor("tokens", type(key), "after", write_cursor("tokens", key, identity)) == (key, identity)


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    east = WHEN.astimezone(timezone(timedelta(hours=9)))
    assert write_cursor("tokens", east, "key_1") == write_cursor("tokens", WHEN, "key_1")


@given(st.data())
def test_any_one_changed_character_is_noticed(data: st.DataObject) -> None:
    cursor = write_cursor("tokens.name.asc", "deploy", "key_1")
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters().filter(lambda one: one != cursor[at]))
    with pytest.raises(InvalidInput) as refused:
        read_cursor("tokens.name.asc", str, "before", cursor[:at] + other + cursor[at + 1 :])
    assert refused.value.field == "before"


@given(st.text(max_size=100))
def test_made_up_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_cursor("tokens", str, "after", text)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_cut_cursor_is_refused(cut: int) -> None:
    cursor = write_cursor("tokens", "deploy", "key_1")
    with pytest.raises(InvalidInput):
        read_cursor("tokens", str, "after", cursor[:-cut])


def test_a_cursor_of_another_ordering_is_refused_and_says_so() -> None:
    cursor = write_cursor("tokens.name.asc", "deploy", "key_1")
    with pytest.raises(InvalidInput, match="another list or ordering"):
        read_cursor("tokens.name.desc", str, "after", cursor)


def forge(content: Any) -> str:
    """A cursor with a right checksum and any content: the checksum is no secret."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    checksum = hashlib.sha256(b"spacekey cursor\0" + body).digest()[:8]
    return base64.urlsafe_b64encode(checksum + body).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (str, ["o", 1, "id"]),
        (str, ["o", None, "id"]),
        (str, ["o", "nul\0", "id"]),
        (str, ["o", "half \ud800", "id"]),
        (str, ["o", "key", "nul\0"]),
        (str, ["o", "key", 7]),
        (str, ["o", "key"]),
        (str, ["o", "key", "id", "more"]),
        (str, {"o": 1}),
        (str, 5),
        (str, b"not json"),
        (str, b"\xff\xfe"),
        (str, b"[" * 2_500),
        (int, ["o", "1", "id"]),
        (int, ["o", True, "id"]),
        (int, ["o", 2**63, "id"]),
        (int, ["o", 1.5, "id"]),
        (datetime, ["o", "yesterday", "id"]),
        (datetime, ["o", 5, "id"]),
        (datetime, ["o", "0001-01-01T00:00:00+14:00", "id"]),
    ],
)
def test_a_forged_cursor_never_reaches_the_database(kind: type[Key], content: Any) -> None:
    with pytest.raises(InvalidInput, match="Is not a cursor"):
        read_cursor("o", kind, "after", forge(content))


def test_the_forgery_itself_is_sound() -> None:
    assert read_cursor("o", str, "after", forge(["o", "key", "id"])) == ("key", "id")


def test_an_endless_cursor_is_refused_unread() -> None:
    with pytest.raises(InvalidInput):
        read_cursor("o", str, "after", write_cursor("o", "k" * 10_000, "id"))
