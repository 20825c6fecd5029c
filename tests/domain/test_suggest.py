"""Near matches."""

import pytest

from spacekey.domain.suggest import LISTED_MAX, did_you_mean, known_instead, near

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
