"""``spacekey workspace``, ``space``, ``member`` and ``user``."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from spacekey.server.cli.common.run import operator_name
from support.cli import Cli

PASSWORD = "seven wooden boats at noon"


@pytest.mark.sampled(2)
def test_a_workspace_is_made_and_found_by_slug_and_id(cli: Cli) -> None:
    cli("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    made = cli.one("workspace", "create", "acme", "--product", "guard", "--plan", "paid", "--owner", "ada@example.com")
    assert (made["slug"], made["product"], made["plan"], made["status"]) == ("acme", "guard", "paid", "active")
    owner_id = made.pop("owner_id")
    assert made.pop("invitation", None) is None
    assert cli.one("workspace", "show", "acme") == cli.one("workspace", "show", made["id"]) == made
    assert cli.lines("workspace", "list") == [made]
    [owner] = cli.lines("member", "list", "-w", "acme")
    assert (owner["email"], owner["role"], owner["can_sign_in"]) == ("ada@example.com", "owner", True)
    assert (owner["user_id"], owner["email_proven"]) == (owner_id, True)


@pytest.mark.sampled(2)
def test_plan_limit_and_suspension(filled: Cli) -> None:
    assert filled.one("workspace", "edit", "spooled-demo", "--plan", "pro")["plan"] == "pro"
    limited = filled.one("workspace", "edit", "spooled-demo", "--per-minute", "7", "--burst", "3", "--yes")
    assert limited["rate_limit"] == {"per_minute": 7, "burst": 3}
    assert filled.one("workspace", "edit", "spooled-demo", "--plan-limit")["rate_limit"] != limited["rate_limit"]
    assert filled.one("workspace", "suspend", "spooled-demo", "--yes")["status"] == "suspended"
    assert filled.one("workspace", "resume", "spooled-demo")["status"] == "active"


@pytest.mark.sampled(2)
def test_spaces_come_and_go(filled: Cli) -> None:
    made = filled.one("space", "create", "third", "-w", "emit-demo", "--name", "The third")
    assert [one["slug"] for one in filled.lines("space", "list", "-w", "emit-demo")] == [
        "production",
        "staging",
        "third",
    ]
    assert filled.one("space", "delete", "third", "-w", "emit-demo", "--yes")["id"] == made["id"]
    filled("space", "delete", filled.lines("space", "list", "-w", "emit-demo")[0]["id"], "--yes")
    assert [one["slug"] for one in filled.lines("space", "list", "-w", "emit-demo")] == ["staging"]
    assert "There is no space 'third'" in filled.error("space", "delete", "third", "-w", "emit-demo", "--yes")


@pytest.mark.sampled(2)
def test_a_new_member_gets_an_invitation_shown_once(filled: Cli) -> None:
    result = filled("member", "add", "new@example.com", "-w", "emit-demo", "--role", "viewer", "--name", "New")
    code = result.stdout.strip()
    assert len(code) == 43
    assert code not in result.stderr
    assert code not in filled("member", "list", "-w", "emit-demo", "--json").output
    # Nobody is a member before the code was accepted.
    assert [one["email"] for one in filled.lines("member", "list", "-w", "emit-demo")] == ["owner@example.com"]


@pytest.mark.sampled(2)
def test_a_members_role_is_changed_and_the_member_removed(filled: Cli) -> None:
    filled("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    filled("member", "add", "ada@example.com", "-w", "emit-demo", "--role", "viewer")
    assert (
        filled.one("member", "set-role", "ada@example.com", "-w", "emit-demo", "--role", "developer")["role"]
        == "developer"
    )
    filled("member", "remove", "ada@example.com", "-w", "emit-demo", "--yes")
    assert [one["email"] for one in filled.lines("member", "list", "-w", "emit-demo")] == ["owner@example.com"]


@pytest.mark.sampled(2)
def test_somebody_with_a_password_needs_no_invitation(filled: Cli) -> None:
    filled("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert filled.one("member", "add", "ada@example.com", "-w", "emit-demo", "--role", "admin")["invitation"] is None
    assert "Account usr_" in filled("member", "remove", "ada@example.com", "-w", "emit-demo", "--yes").stderr
    assert filled("member", "add", "ada@example.com", "-w", "guard-demo", "--role", "admin").stdout == ""


@pytest.mark.sampled(2)
def test_the_password_is_never_repeated(cli: Cli) -> None:
    said = cli.error("user", "create", "ada@example.com", "--password-stdin", stdin="hunter2\n", code=2)
    assert "15 to 256" in said
    assert "hunter2" not in said
    done = cli("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert PASSWORD not in done.output


@pytest.mark.sampled(2)
def test_a_forgotten_password_is_replaced_and_never_repeated(cli: Cli) -> None:
    other = f"{PASSWORD} again"
    cli("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    done = cli("user", "reset-password", "Ada@example.com", "--password-stdin", stdin=f"{other}\n")
    assert (done.exit_code, other in done.output) == (0, False)
    assert "No account has the address" in cli.error(
        "user", "reset-password", "bob@example.com", "--password-stdin", stdin=f"{other}\n"
    )


@pytest.mark.sampled(2)
def test_how_long_a_cache_may_serve_is_shown_and_set(cli: Cli) -> None:
    assert cli.one("config", "get")["revocation_delay"] == 0
    assert cli.one("config", "set", "--revocation-delay", "0.25", "--yes")["revocation_delay"] == 0.25
    assert cli.one("config", "set", "--revocation-delay", "0", "--yes")["revocation_delay"] == 0
    assert "60" in cli.error("config", "set", "--revocation-delay", "61", code=2)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["workspace", "create", "acme", "--product", "emitt"], 2, "spacekey: --product: Unknown product 'emitt'. Did"),
        (["workspace", "create", "acme", "--product", "emit", "--plan", "gold"], 2, "spacekey: --plan: Unknown plan"),
        (["workspace", "create", "acme", "--product", "emit", "--plan", "gold"], 2, "There are 'free' and 'team'."),
        (["workspace", "create", "Acme!", "--product", "emit"], 2, "spacekey: SLUG: "),
        (["workspace", "create", "acme", "--product", "emit", "--name", "a\nb"], 2, "spacekey: --name: "),
        (["workspace", "create", "", "--product", "emit"], 2, "spacekey: SLUG: "),
        (["workspace", "create", "emit-demo", "--product", "emit"], 1, "taken"),
        (["workspace", "create", "acme", "--product", "emit", "--owner", "nobody"], 2, "spacekey: --owner: "),
        (["workspace", "create", "acme", "--product", "emit", "--owner", "usr_" + "0" * 26], 1, "no account"),
        (["user", "prove", "owner@example.com"], 2, "account's id"),
        (["user", "prove", "usr_" + "0" * 26], 1, "no account"),
        (["user", "create", "owner@example.com", "--password-stdin"], 1, "has proven the address"),
        (
            ["workspace", "edit", "emit-demo", "--plan", "taem"],
            2,
            "spacekey: --plan: Unknown plan 'taem'. Did you mean 'team'",
        ),
        (["workspace", "edit", "emit-demo"], 2, "--per-minute"),
        (["workspace", "edit", "emit-demo", "--per-minute", "5"], 2, "--burst"),
        (["workspace", "suspend", "emit-demo"], 2, "--yes"),
        (["space", "create", "staging", "-w", "emit-demo"], 1, "taken"),
        (["space", "create", "Third!", "-w", "emit-demo"], 2, "spacekey: SLUG: "),
        (["space", "create", "x" * 201, "-w", "emit-demo"], 2, "spacekey: SLUG: "),
        (["space", "delete", "staging", "--yes"], 2, "name its workspace by -w"),
        (["member", "add", "nobody", "-w", "emit-demo", "--role", "viewer"], 2, "spacekey: ACCOUNT: "),
        (["member", "add", "a@example.com", "-w", "emit-demo", "--role", "boss"], 2, "spacekey: --role: Unknown role"),
        (
            ["member", "set-role", "owner@example.com", "-w", "emit-demo", "--role", "viewr"],
            2,
            "--role: Unknown role 'viewr'. Did you mean",
        ),
        (["member", "add", "owner@example.com", "-w", "emit-demo", "--role", "viewer"], 1, "member already"),
        (["member", "set-role", "owner@example.com", "-w", "emit-demo", "--role", "viewer"], 1, "last owner"),
        (["member", "remove", "owner@example.com", "-w", "emit-demo", "--yes"], 1, "last owner"),
        (["user", "create", "owner@example.com"], 2, "--password-stdin"),
        (["config", "set", "--revocation-delay", "61"], 2, "spacekey: --revocation-delay: "),
        (["token", "inactive", "--days", "-1"], 2, "spacekey: --days: "),
    ],
)
def test_a_refusal_changes_nothing_and_says_what_to_do(filled: Cli, args: list[str], code: int, said: str) -> None:
    before = filled.lines("audit", "verify")
    assert said in filled.error(*args, code=code, stdin=f"{PASSWORD}\n" if "--password-stdin" in args else None)
    assert filled.lines("audit", "verify") == before


# ``spacekey member``: people who were invited and are no members yet.


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


# ``spacekey user erase``.


ADDRESS = "eve@example.com"


def test_a_person_is_erased_after_it_was_said_who_that_is(filled: Cli) -> None:
    made = filled.one("user", "create", ADDRESS, "--password-stdin", stdin=f"{PASSWORD}\n")
    filled("member", "add", ADDRESS, "-w", "emit-demo", "--role", "viewer")
    asked = filled.error("user", "erase", made["id"], code=2)
    assert f"Person {made['id']}" in asked
    assert "--yes" in asked
    wide = Cli({**filled.settings, "COLUMNS": "200"})  # a narrow table folds the address
    assert ADDRESS in wide("member", "list", "-w", "emit-demo").stdout
    gone = filled.one("user", "erase", made["id"], "--yes")
    assert (gone["id"], gone["memberships_ended"]) == (made["id"], 1)
    for command in (
        ("member", "list", "-w", "emit-demo"),
        ("audit", "export", "-w", "emit-demo"),
        ("audit", "export", "--system"),
    ):
        assert ADDRESS not in wide(*command).output
    assert {one["result"] for one in filled.lines("audit", "verify")} == {"ok"}
    for unknown in (made["id"], ADDRESS, "usr_none"):
        assert "no user with the id" in filled.error("user", "erase", unknown, "--yes")


# Who ran a command stands in the audit log and on what it made.


def last_actor(cli: Cli) -> dict[str, str]:
    found: dict[str, str] = cli.lines("audit", "list", "-w", "guard-demo", "--limit", "1")[0]["actor"]
    return found


def test_the_operators_name_is_in_the_audit_log_and_the_id_stays(filled: Cli) -> None:
    ada = Cli({**filled.settings, "SPACEKEY_OPERATOR": "ada@example.com"})
    made = ada.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    expected = {"kind": "operator", "id": "operator", "name": "ada@example.com", "unproven": False}
    assert last_actor(filled) == expected
    assert made["created_by"] == expected
    ada("token", "disable", made["id"], "--yes")
    assert last_actor(filled) == expected
    assert {one["result"] for one in filled.lines("audit", "verify")} == {"ok"}
    assert "ada@example.com (operator)" in filled("audit", "list", "-w", "guard-demo").stdout
    assert "ada@exa" in Cli({**filled.settings, "COLUMNS": "80"})("audit", "list", "-w", "guard-demo").stdout


def test_the_name_may_stand_in_a_file(filled: Cli, tmp_path: Path) -> None:
    (tmp_path / "name").write_text("Ada\n")
    named = Cli({**filled.settings, "SPACEKEY_OPERATOR": "", "SPACEKEY_OPERATOR_FILE": str(tmp_path / "name")})
    named("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    assert last_actor(filled)["name"] == "Ada"


def test_without_a_name_it_is_the_user_before_sudo_and_the_machine() -> None:
    host = socket.gethostname()
    assert operator_name(None, {"SUDO_USER": "ada"}) == f"ada@{host}"
    assert operator_name(None, {}) == f"{getpass.getuser()}@{host}"
    assert operator_name("Grace", {"SUDO_USER": "ada"}) == "Grace"


def test_a_user_without_a_name_is_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert operator_name(None, {}) == f"operator@{socket.gethostname()}"
    assert operator_name(None, {"SUDO_USER": "a\nb"}) == "operator"


@pytest.mark.parametrize("name", ["a\nb\tc", "\u202eada", "x" * 201])
def test_a_name_that_no_one_may_have_is_refused(filled: Cli, name: str) -> None:
    bad = Cli({**filled.settings, "SPACEKEY_OPERATOR": name})
    assert "SPACEKEY_OPERATOR: " in bad.error("workspace", "list", code=2)
