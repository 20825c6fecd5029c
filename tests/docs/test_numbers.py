"""Defaults and bounds that pages name are those of the program."""

from __future__ import annotations

import dataclasses
import re

import pytest

from spacekey.domain.page import PAGE_SIZE_MAX
from spacekey.resolvers.accounts import sessions
from spacekey.resolvers.members import invitations
from spacekey.resolvers.passwords import hashing
from spacekey.resolvers.tokens import rotate
from spacekey.resolvers.workspaces import roles
from spacekey.schema.limits.operations import COST_MAX
from spacekey.server.settings import COMMAND_LINE_VARIABLES, Settings
from support.pages import ROOT

DOCS = ROOT / "docs"
ROWS = [
    (variable, said)
    for variable, said in re.findall(
        r"^\| `SPACEKEY_(\w+)` \| ([^|]+) \|",
        (DOCS / "reference" / "settings.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if f"SPACEKEY_{variable}" not in COMMAND_LINE_VARIABLES
]
DAY = 86_400
WORDS = {7: "seven"}


@pytest.mark.parametrize(("variable", "said"), ROWS, ids=[variable for variable, _ in ROWS])
def test_the_default_of_a_setting_is_the_one_in_the_table(variable: str, said: str) -> None:
    (field,) = (one for one in dataclasses.fields(Settings) if one.name.upper() == variable)
    default = field.default
    if default in (None, (), dataclasses.MISSING):
        assert not said.startswith("`")
    else:
        assert said == f"`{int(default) if isinstance(default, float | bool) else default}`"


def _default(name: str) -> str:
    (field,) = (one for one in dataclasses.fields(Settings) if one.name == name)
    return f"{field.default:,}"


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("how-to/graphql-api.md", f"{_default('api_per_minute')} a minute, {_default('api_burst')} at once"),
        ("how-to/graphql-api.md", f"cost of one operation | {COST_MAX:,},"),
        ("how-to/graphql-api.md", f"| {_default('graphql_cost_per_minute')} for a token or person,"),
        ("how-to/graphql-api.md", f"{_default('anonymous_cost_per_minute')} for a network"),
        ("how-to/graphql-api.md", f"a page | {PAGE_SIZE_MAX} rows"),
        ("how-to/limits.md", f"An operation of more than {COST_MAX:,} is refused."),
        (
            "how-to/members.md",
            f"lasts {sessions.ABSOLUTE.days} days, and ends after {sessions.IDLE.seconds // 3600} hours",
        ),
        ("how-to/members.md", f"once and for {invitations.INVITATION_LIFETIME.days} days"),
        ("how-to/members.md", f"at least {hashing.LENGTH_MIN} characters, of which {hashing.LEFT_OVER_MIN} must"),
        ("how-to/members.md", f"at most {roles.ROLES_MAX}."),
        ("how-to/rotate.md", f"at most {WORDS[rotate.GRACE_SECONDS_MAX // DAY]} days"),
    ],
)
def test_a_number_in_the_text_is_the_programs(page: str, sentence: str) -> None:
    text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
    assert sentence in text
