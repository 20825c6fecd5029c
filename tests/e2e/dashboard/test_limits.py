"""The lengths that the dashboard's fields allow are those of the API. No browser is needed here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers import validation as validate
from spacekey.resolvers.addresses import clean_email
from spacekey.resolvers.passwords import hashing as passwords
from spacekey.resolvers.workspaces import lists as list_others
from spacekey.resolvers.workspaces import roles

DASHBOARD = Path(__file__).resolve().parents[3] / "dashboard"
LIMITS = DASHBOARD / "base" / "limits.js"
SAME = {
    "NAME_LENGTH_MAX": validate.NAME_LENGTH_MAX,
    "DESCRIPTION_LENGTH_MAX": validate.DESCRIPTION_LENGTH_MAX,
    "REASON_LENGTH_MAX": validate.REASON_LENGTH_MAX,
    "LIFETIME_SECONDS_MAX": validate.LIFETIME_SECONDS_MAX,
    "ROLE_DESCRIPTION_LENGTH_MAX": roles.DESCRIPTION_LENGTH_MAX,
    "CONDITION_LENGTH_MAX": list_others.CONDITION_LENGTH_MAX,
    "PASSWORD_LENGTH_MIN": passwords.LENGTH_MIN,
}
TRIED: dict[str, Callable[[int], object]] = {
    "SLUG_LENGTH_MAX": lambda length: validate.clean_slug("slug", "a" * length),
    "EMAIL_LENGTH_MAX": lambda length: clean_email("email", _address(length)),
}


def _address(length: int) -> str:
    """An address of so many characters, its labels no longer than a label can be."""
    domain = ".".join(["b" * 49] * 4)
    return "a" * (length - len(domain) - 1) + f"@{domain}"


ASKED_OF_THE_SERVER = {"ROLE_NAME_LENGTH_MAX"}
"""By test_workspaces, in a browser."""


def limits() -> dict[str, int]:
    """The dashboard's figures, by name."""
    found = re.findall(r"^export const (\w+) = ([\d_]+);$", LIMITS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(number) for name, number in found}


def test_every_figure_is_compared() -> None:
    assert limits().keys() == SAME.keys() | TRIED.keys() | ASKED_OF_THE_SERVER


@pytest.mark.parametrize("name", sorted(SAME))
def test_a_figure_is_the_apis(name: str) -> None:
    assert limits()[name] == SAME[name]


@pytest.mark.parametrize("name", sorted(TRIED))
def test_the_api_takes_as_much_and_no_more(name: str) -> None:
    TRIED[name](limits()[name])
    with pytest.raises(InvalidInput):
        TRIED[name](limits()[name] + 1)


def test_no_field_has_a_figure_of_its_own() -> None:
    own = [
        str(file.relative_to(DASHBOARD))
        for file in DASHBOARD.rglob("*.js")
        if re.search(r"(?:max|min)length\W+\d", file.read_text(encoding="utf-8"))
    ]
    assert own == []
