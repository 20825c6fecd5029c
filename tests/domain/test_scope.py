"""Scope names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.scope import MANAGEMENT_SCOPES, SCOPE_LENGTH_MAX, advice_on, is_plain_name, is_scope_name


@pytest.mark.parametrize(
    "name",
    ["a", "jobs:read", "jobs:read:progress", "full_access", "audit_logs:read", "v2", "a:2", "a" * SCOPE_LENGTH_MAX],
)
def test_names(name: str) -> None:
    assert is_scope_name(name)
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name",
    [":", "jobs:", ":read", "jobs::read", "Jobs:read", "2jobs", "_jobs", "jobs.read", "jobs-read", "jobs:*", "a,b",
     "User.Read", "https://www.example.com/auth/jobs", "*", "!", "~"],
)  # fmt: skip
def test_names_of_other_systems(name: str) -> None:
    assert is_scope_name(name)
    assert not is_plain_name(name)
    assert advice_on([name])


def test_advice_is_one_sentence_for_each_name_that_may_mislead() -> None:
    assert advice_on(["jobs:read", "full_access"]) == []
    assert advice_on(["User.Read", "user.read"])[1].startswith("'user.read' and 'User.Read' differ in case alone")
    assert advice_on(["jobs:*"]) == ["'jobs:*' stands for itself alone: no scope includes another."]
    assert "command line" in advice_on(["a,b"])[0]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "jobs read",
        "jobs\tread",
        "jobs:read\n",
        "jobs:réad",
        'jobs"read',
        "jobs\\read",
        "jobs:\u0660",
        "\0",
        "a" * (SCOPE_LENGTH_MAX + 1),
        None,
        1,
        b"jobs:read",
        ["jobs:read"],
        ("a",),
    ],
)
def test_no_names(name: object) -> None:
    assert not is_scope_name(name)


@given(st.text())
def test_every_name_may_stand_in_a_challenge(text: str) -> None:
    """RFC 6749 §3.3: scope tokens are visible ASCII without quote and backslash; the blank separates them."""
    if is_scope_name(text):
        assert all("!" <= letter <= "~" and letter not in '"\\' for letter in text)


def test_management_scopes_are_those_of_the_design() -> None:
    assert {
        f"{resource}:{action}"
        for resource, actions in {
            "tokens": ["read", "create", "update", "disable", "revoke", "delete", "introspect"],
            "spaces": ["read", "write"],
            "members": ["read", "write"],
            "workspace": ["read", "write"],
            "audit": ["read"],
            "usage": ["read"],
        }.items()
        for action in actions
    } == set(MANAGEMENT_SCOPES)
    assert all(map(is_scope_name, MANAGEMENT_SCOPES))
    assert all(MANAGEMENT_SCOPES.values())


def test_nobody_can_add_a_management_scope_at_run_time() -> None:
    with pytest.raises(TypeError):
        MANAGEMENT_SCOPES["tokens:own"] = "Own"  # type: ignore[index]  # the mistake under test
