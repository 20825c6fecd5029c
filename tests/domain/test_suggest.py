"""Near matches."""

import pytest

from spacekey.domain.suggest import did_you_mean, near

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
