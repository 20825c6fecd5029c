"""``spacekey member``: people who were invited and are no members yet."""

from __future__ import annotations

import pytest

from support.cli import Cli

WORKSPACE = "emit-demo"
NEW = "new@example.com"


@pytest.fixture
def inviting(filled: Cli) -> Cli:
    """With an invitation that waits."""
    filled("member", "add", WORKSPACE, NEW, "--role", "viewer")
    return filled


def test_an_invitation_that_waits_is_listed_without_its_code(inviting: Cli) -> None:
    [waiting] = inviting.lines("member", "invitations", WORKSPACE)
    assert (waiting["email"], waiting["role"]) == (NEW, "viewer")
    assert waiting["invited_by"] == {"kind": "operator", "id": "operator", "name": "operator", "unproven": False}
    assert waiting["email_proven"] is False
    assert "code" not in waiting
    assert NEW in Cli({**inviting.settings, "COLUMNS": "200"})("member", "invitations", WORKSPACE).stdout


@pytest.mark.parametrize("words", [["remove", WORKSPACE, NEW, "--yes"], ["role", WORKSPACE, NEW, "developer"]])
def test_who_is_invited_is_said_to_be_and_stays_so(inviting: Cli, words: list[str]) -> None:
    before = inviting.lines("member", "invitations", WORKSPACE)
    said = inviting.error("member", *words)
    assert f"{NEW} is no member yet: an invitation as 'viewer' waits until " in said
    assert f"Take it back with: spacekey member withdraw {WORKSPACE} {NEW}" in said
    assert inviting.lines("member", "invitations", WORKSPACE) == before


def test_an_invitation_is_withdrawn_once(inviting: Cli) -> None:
    [waiting] = inviting.lines("member", "invitations", WORKSPACE)
    assert inviting.one("member", "withdraw", WORKSPACE, "New@Example.com", "--yes") == waiting
    assert inviting.lines("member", "invitations", WORKSPACE) == []
    events = inviting.lines("audit", "list", WORKSPACE, "--action", "member.withdraw_invitation")
    assert len(events) == 1
    said = inviting.error("member", "withdraw", WORKSPACE, NEW, "--yes")
    assert f"No invitation waits for {NEW}. 'spacekey member invitations {WORKSPACE}' shows those that do." in said
    assert "No account has the address" in inviting.error("member", "remove", WORKSPACE, NEW, "--yes")


def test_an_invitation_elsewhere_is_not_this_workspaces(inviting: Cli) -> None:
    assert "No invitation waits" in inviting.error("member", "withdraw", "guard-demo", NEW, "--yes")
    assert "No account has the address" in inviting.error("member", "remove", "guard-demo", NEW, "--yes")
    assert len(inviting.lines("member", "invitations", WORKSPACE)) == 1


def test_nothing_is_withdrawn_without_yes_where_nobody_can_be_asked(inviting: Cli) -> None:
    assert "--yes" in inviting.error("member", "withdraw", WORKSPACE, NEW, code=2)
    assert len(inviting.lines("member", "invitations", WORKSPACE)) == 1


def test_somebody_unknown_is_no_member(filled: Cli) -> None:
    assert "No account has the address" in filled.error("member", "remove", WORKSPACE, "who@example.com", "--yes")
