"""Ids: their shape, and that they sort by creation."""

import re
import secrets
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.ids import EVENT, KEY, SPACE, USER, WORKSPACE, id_prefix, new_id

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
PREFIXES = [WORKSPACE, SPACE, KEY, USER, EVENT]

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # the strategy adds the zone


def fresh(now: datetime = NOW) -> str:
    return new_id(KEY, now, secrets.token_bytes)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_shape_is_a_prefix_and_26_digits(prefix: str) -> None:
    made = new_id(prefix, NOW, secrets.token_bytes)
    assert re.fullmatch(rf"{prefix}_[{DIGITS}]{{26}}", made)
    assert id_prefix(made) == prefix


def test_prefixes_are_those_clients_know() -> None:
    assert PREFIXES == ["ws", "space", "key", "usr", "evt"]


@given(moments, moments)
def test_ids_sort_by_creation(one: datetime, two: datetime) -> None:
    earlier, later = sorted((one, two))
    if later - earlier >= timedelta(milliseconds=1):
        assert fresh(earlier) < fresh(later)


@given(moments, st.binary(min_size=10, max_size=10))
def test_an_id_holds_its_millisecond_and_all_its_random_bits(now: datetime, random: bytes) -> None:
    number = 0
    for digit in new_id(KEY, now, lambda size: random[:size]).removeprefix("key_"):
        number = number * 32 + DIGITS.index(digit)
    assert number & (2**80 - 1) == int.from_bytes(random, "big")
    assert number >> 80 == int(now.timestamp() * 1000)


def test_the_zone_of_the_clock_does_not_matter() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))
    assert new_id(KEY, NOW, bytes) == new_id(KEY, elsewhere, bytes)


def test_ids_of_one_millisecond_do_not_repeat() -> None:
    assert len({fresh() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "key",
        "key_",
        "key_" + "0" * 25,
        "key_" + "0" * 27,
        "key_" + "0" * 25 + "\n",
        "key_" + "0" * 26 + "\n",
        "key_" + "i" * 26,
        "key_" + "l" * 26,
        "key_" + "o" * 26,
        "key_" + "u" * 26,
        "key_" + "A" * 26,
        "key_" + "\u0660" * 26,
        "KEY_" + "0" * 26,
        "tok_" + "0" * 26,
        " key_" + "0" * 26,
        "key-" + "0" * 26,
        "' OR 1=1 --",
        "0" * 1_000_000,
    ],
)
def test_what_is_no_id_has_no_prefix(text: str) -> None:
    assert id_prefix(text) is None


@given(st.text(max_size=50))
def test_any_text_is_looked_at_without_raising(text: str) -> None:
    assert id_prefix(text) is None or id_prefix(text) in PREFIXES
