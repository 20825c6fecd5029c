"""Near matches."""

import pytest

from spacekey.domain.suggest import LISTED_MAX, did_you_mean, did_you_mean_setting, known_instead, near, near_by_words

KNOWN = ["jobs:read", "jobs:write", "queues:read", "tokens:read"]


@pytest.mark.parametrize(
    ("name", "best"), [("jobs:reed", "jobs:read"), ("job:write", "jobs:write"), ("queue:read", "queues:read")]
)
def test_the_best_match_comes_first(name: str, best: str) -> None:
    assert near(name, KNOWN)[0] == best
    assert did_you_mean(name, KNOWN).startswith(f" Did you mean '{best}'")


def test_at_most_so_many_matches() -> None:
    assert len(near("jobs:re", [f"jobs:rea{number}" for number in range(9)])) == 3
    assert near("jobs:reed", KNOWN, most=1) == ["jobs:read"]


@pytest.mark.parametrize("name", ["", "zzz", "\0", "x" * 1_000_000])
def test_nothing_near_says_nothing(name: str) -> None:
    assert near(name, KNOWN) == []
    assert did_you_mean(name, KNOWN) == ""


def test_the_order_of_the_known_names_does_not_matter() -> None:
    assert near("jobs:reads", set(KNOWN)) == near("jobs:reads", KNOWN[::-1])


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([], ""),
        (["live"], " There is only 'live'."),
        (["test", "live"], " There are 'live' and 'test'."),
        (["c", "a", "b"], " There are 'a', 'b' and 'c'."),
        ([f"name-{number:02}" for number in range(LISTED_MAX + 1)], ""),
    ],
)
def test_where_nothing_is_near_a_short_list_is_told_whole(known: list[str], said: str) -> None:
    assert known_instead("zzz", known) == said


def test_near_matches_come_before_the_list() -> None:
    assert known_instead("jobs:reed", KNOWN[:2]) == did_you_mean("jobs:reed", KNOWN[:2])


SETTINGS = [
    "SPACEKEY_DATABASE_URL",
    "SPACEKEY_HOST",
    "SPACEKEY_PORT",
    "SPACEKEY_PROCESSES",
    "SPACEKEY_PUBLIC_URL",
    "SPACEKEY_REDIS_URL",
    "SPACEKEY_TRUSTED_PROXIES",
    "SPACEKEY_WORKERS",
]


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("SPACEKEY_DB", "SPACEKEY_DATABASE_URL"),
        ("SPACEKEY_DB_URL", "SPACEKEY_DATABASE_URL"),
        ("SPACEKEY_DATABASE", "SPACEKEY_DATABASE_URL"),
        ("SPACEKEY_URL_DATABASE", "SPACEKEY_DATABASE_URL"),
        ("SPACEKEY_PROT", "SPACEKEY_PORT"),
        ("SPACEKEY_REDIS", "SPACEKEY_REDIS_URL"),
        ("SPACEKEY_PROXIES", "SPACEKEY_TRUSTED_PROXIES"),
        ("SPACEKEY_WORKER", "SPACEKEY_WORKERS"),
    ],
)
def test_settings_are_compared_word_by_word(name: str, best: str) -> None:
    assert near_by_words(name, SETTINGS)[0] == best


@pytest.mark.parametrize("name", ["SPACEKEY_", "SPACEKEY_ZZZ", "", "_", "x" * 1_000_000])
def test_no_word_is_near(name: str) -> None:
    assert near_by_words(name, SETTINGS) == []
    assert did_you_mean_setting(name, SETTINGS) == ""
    assert near_by_words(name, []) == []
