"""``spacekey member``: people who were invited and are no members yet."""

from __future__ import annotations

import pytest

from support.cli import Cli

WORKSPACE = "emit-demo"
NEW = "new@example.com"


@pytest.fixture
def inviting(filled: Cli) -> Cli:
    """With an invitation that waits."""
    filled("member", "add", NEW, "-w", WORKSPACE, "--role", "viewer")
    return filled


def test_an_invitation_that_waits_is_listed_without_its_code(inviting: Cli) -> None:
    [waiting] = inviting.lines("invitation", "list", "-w", WORKSPACE)
    assert (waiting["email"], waiting["role"]) == (NEW, "viewer")
    assert waiting["invited_by"] == {"kind": "operator", "id": "operator", "name": "operator", "unproven": False}
    assert waiting["email_proven"] is False
    assert "code" not in waiting
    assert NEW in Cli({**inviting.settings, "COLUMNS": "200"})("invitation", "list", "-w", WORKSPACE).stdout


@pytest.mark.parametrize("words", [["remove", NEW, "--yes"], ["set-role", NEW, "--role", "developer"]])
def test_who_is_invited_is_said_to_be_and_stays_so(inviting: Cli, words: list[str]) -> None:
    before = inviting.lines("invitation", "list", "-w", WORKSPACE)
    said = inviting.error("member", *words, "-w", WORKSPACE)
    assert f"{NEW} is no member yet: an invitation as 'viewer' waits until " in said
    assert f"Take it back with: spacekey invitation withdraw {NEW} -w {WORKSPACE}" in said
    assert inviting.lines("invitation", "list", "-w", WORKSPACE) == before


def test_an_invitation_is_withdrawn_once(inviting: Cli) -> None:
    [waiting] = inviting.lines("invitation", "list", "-w", WORKSPACE)
    assert inviting.one("invitation", "withdraw", "New@Example.com", "-w", WORKSPACE, "--yes") == waiting
    assert inviting.lines("invitation", "list", "-w", WORKSPACE) == []
    events = inviting.lines("audit", "list", "-w", WORKSPACE, "--action", "member.withdraw_invitation")
    assert len(events) == 1
    said = inviting.error("invitation", "withdraw", NEW, "-w", WORKSPACE, "--yes")
    assert f"No invitation waits for {NEW}. 'spacekey invitation list -w {WORKSPACE}' shows those that do." in said
    assert "No account has the address" in inviting.error("member", "remove", NEW, "-w", WORKSPACE, "--yes")


def test_an_invitation_elsewhere_is_not_this_workspaces(inviting: Cli) -> None:
    assert "No invitation waits" in inviting.error("invitation", "withdraw", NEW, "-w", "guard-demo", "--yes")
    assert "No account has the address" in inviting.error("member", "remove", NEW, "-w", "guard-demo", "--yes")
    assert len(inviting.lines("invitation", "list", "-w", WORKSPACE)) == 1


def test_nothing_is_withdrawn_without_yes_where_nobody_can_be_asked(inviting: Cli) -> None:
    assert "--yes" in inviting.error("invitation", "withdraw", NEW, "-w", WORKSPACE, code=2)
    assert len(inviting.lines("invitation", "list", "-w", WORKSPACE)) == 1


def test_somebody_unknown_is_no_member(filled: Cli) -> None:
    assert "No account has the address" in filled.error("member", "remove", "who@example.com", "-w", WORKSPACE, "--yes")
