"""Names: hidden characters are refused, every script is accepted, and an unknown one is called a scope or a role."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.validation import clean_grants, clean_name

# Visible names: hidden characters are refused, and every script is accepted.


HIDDEN = [
    *("\u200b", "\u200e", "\ufeff", "\u2060", "\u00ad", "\u3164", "\u034f", "\U000e0041", "\u115f", "\uffa0"),
    *("\ue000", "\u0378", "\u061c", "\u2062", "\ufff9", "\U000e0001", "\u200c", "\u200d", "\x7f"),
]

SEEN = [
    "Production server",
    "réseau №7 (EU) – “quoted”",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u0915\u094d\u200d\u0937",
    "\U0001f469\u200d\U0001f4bb",
    "\u2764\ufe0f\u200d\U0001f525 builds",
    "\u2705\ufe0f",
    "寿司",
    "#",
    "7",
]


@pytest.mark.parametrize("one", HIDDEN, ids=ascii)
@pytest.mark.parametrize("around", ["{}", "{0}{0}", "CI{}", "C{}I", "{}CI", "a{}\U0001f469"])
def test_what_cannot_be_seen_is_refused_wherever_it_stands(one: str, around: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        clean_name("name", around.format(one))
    assert one not in refused.value.reason


@pytest.mark.parametrize("name", SEEN, ids=ascii)
def test_writing_that_joins_its_letters_and_emoji_stay_as_they_are(name: str) -> None:
    assert clean_name("name", name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", ["\u2800", "\u0301", "\ufe0f\ufe0f", "\u2800 \u2800"], ids=ascii)
def test_a_name_of_nothing_but_blanks_and_marks_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="visible character"):
        clean_name("name", name)


@given(st.text(max_size=50))
def test_a_name_that_is_accepted_shows_something_and_is_accepted_again(text: str) -> None:
    try:
        name = clean_name("name", text)
    except InvalidInput:
        return
    assert any(one.isprintable() and not one.isspace() for one in name)
    assert clean_name("again", name) == name


# A name nobody knows is called what it was meant to be: a scope or a role.


ROLES = frozenset({"viewer", "member", "owner"})
SCOPES = frozenset({"tasks:read", "tasks:write"})


def refused(grant: str, roles: frozenset[str]) -> str:
    """What is said of a grant where these roles may be given beside the scopes."""
    with pytest.raises(InvalidInput) as error:
        clean_grants("grants", [grant], SCOPES | roles, roles)
    return error.value.reason


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("viewr", "Unknown role 'viewr'. Did you mean 'viewer'?"),
        ("boss", "Unknown role 'boss'. There are 'member', 'owner' and 'viewer'."),
        ("task:read", "Unknown scope 'task:read'. Did you mean 'tasks:read' or 'tasks:write'?"),
        ("tasksread", "Unknown scope 'tasksread'. Did you mean 'tasks:read' or 'tasks:write'?"),
        ("a:b", "Unknown scope 'a:b'. There are 'member', 'owner', 'tasks:read', 'tasks:write' and 'viewer'."),
    ],
)
def test_a_mistyped_role_is_an_unknown_role(grant: str, said: str) -> None:
    assert refused(grant, ROLES) == said


@pytest.mark.parametrize("grant", ["viewr", "boss"])
def test_where_tokens_have_no_roles_every_unknown_name_is_a_scope(grant: str) -> None:
    assert refused(grant, frozenset()).startswith(f"Unknown scope '{grant}'.")
