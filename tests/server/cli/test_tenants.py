"""``spacekey workspace``, ``space``, ``member`` and ``user``."""

from __future__ import annotations

import pytest

from support.cli import Cli

pytestmark = pytest.mark.sampled(2)

PASSWORD = "seven wooden boats at noon"


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


def test_plan_limit_and_suspension(filled: Cli) -> None:
    assert filled.one("workspace", "edit", "spooled-demo", "--plan", "pro")["plan"] == "pro"
    limited = filled.one("workspace", "edit", "spooled-demo", "--per-minute", "7", "--burst", "3", "--yes")
    assert limited["rate_limit"] == {"per_minute": 7, "burst": 3}
    assert filled.one("workspace", "edit", "spooled-demo", "--plan-limit")["rate_limit"] != limited["rate_limit"]
    assert filled.one("workspace", "suspend", "spooled-demo", "--yes")["status"] == "suspended"
    assert filled.one("workspace", "resume", "spooled-demo")["status"] == "active"


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


def test_a_new_member_gets_an_invitation_shown_once(filled: Cli) -> None:
    result = filled("member", "add", "new@example.com", "-w", "emit-demo", "--role", "viewer", "--name", "New")
    code = result.stdout.strip()
    assert len(code) == 43
    assert code not in result.stderr
    assert code not in filled("member", "list", "-w", "emit-demo", "--json").output
    # Nobody is a member before the code was accepted.
    assert [one["email"] for one in filled.lines("member", "list", "-w", "emit-demo")] == ["owner@example.com"]


def test_a_members_role_is_changed_and_the_member_removed(filled: Cli) -> None:
    filled("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    filled("member", "add", "ada@example.com", "-w", "emit-demo", "--role", "viewer")
    assert (
        filled.one("member", "set-role", "ada@example.com", "-w", "emit-demo", "--role", "developer")["role"]
        == "developer"
    )
    filled("member", "remove", "ada@example.com", "-w", "emit-demo", "--yes")
    assert [one["email"] for one in filled.lines("member", "list", "-w", "emit-demo")] == ["owner@example.com"]


def test_somebody_with_a_password_needs_no_invitation(filled: Cli) -> None:
    filled("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert filled.one("member", "add", "ada@example.com", "-w", "emit-demo", "--role", "admin")["invitation"] is None
    assert "Account usr_" in filled("member", "remove", "ada@example.com", "-w", "emit-demo", "--yes").stderr
    assert filled("member", "add", "ada@example.com", "-w", "guard-demo", "--role", "admin").stdout == ""


def test_the_password_is_never_repeated(cli: Cli) -> None:
    said = cli.error("user", "create", "ada@example.com", "--password-stdin", stdin="hunter2\n", code=2)
    assert "15 to 256" in said
    assert "hunter2" not in said
    done = cli("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert PASSWORD not in done.output


def test_a_forgotten_password_is_replaced_and_never_repeated(cli: Cli) -> None:
    other = f"{PASSWORD} again"
    cli("user", "create", "ada@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    done = cli("user", "reset-password", "Ada@example.com", "--password-stdin", stdin=f"{other}\n")
    assert (done.exit_code, other in done.output) == (0, False)
    assert "No account has the address" in cli.error(
        "user", "reset-password", "bob@example.com", "--password-stdin", stdin=f"{other}\n"
    )


def test_how_long_a_cache_may_serve_is_shown_and_set(cli: Cli) -> None:
    assert cli.one("config", "get")["revocation_delay"] == 0
    assert cli.one("config", "set", "--revocation-delay", "0.25", "--yes")["revocation_delay"] == 0.25
    assert cli.one("config", "set", "--revocation-delay", "0", "--yes")["revocation_delay"] == 0
    assert "60" in cli.error("config", "set", "--revocation-delay", "61", code=2)


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
