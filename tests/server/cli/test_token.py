"""``spacekey token``."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spacekey.domain.secret import Secret, parse
from support.cli import Cli
from support.world import EXAMPLES


def secret_of(text: str) -> Secret:
    """The text, which must be a whole secret."""
    secret = Secret(text.strip())
    assert parse(secret) is not None
    return secret


def test_without_json_the_secret_stands_alone_on_standard_output(filled: Cli) -> None:
    result = filled("token", "create", "Worker", "-w", "emit-demo", "--space", "production", "--preset", "worker")
    assert result.stdout.count("\n") == 1
    secret = secret_of(result.stdout)
    assert secret.reveal() not in result.stderr
    assert "shown only once" in result.stderr


def test_the_secret_is_shown_by_create_and_rotate_alone(filled: Cli) -> None:
    made = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    secret = secret_of(made["secret"]).reveal()
    rotated = filled.one("token", "rotate", made["id"])
    assert secret_of(rotated["secret"]).reveal() != secret
    for words in (
        ["token", "show", made["id"]],
        ["token", "list", "-w", "guard-demo"],
        ["audit", "export", "-w", "guard-demo"],
    ):
        for flags in ([], ["--json"]) if words[0] == "token" else ([],):
            assert secret not in filled(*words, *flags).output
            assert rotated["secret"] not in filled(*words, *flags).output


def test_a_token_is_created_as_asked(filled: Cli) -> None:
    made = filled.one(
        "token",
        "create",
        "Worker",
        *("-w", "emit-demo"),
        *("--space", "staging", "-g", "jobs:worker", "-g", "jobs:create", "--expires", "90d", "--description", "Runs"),
    )
    assert made["grants"] == ["jobs:worker", "jobs:create"]
    assert "jobs:poll" in made["scopes"]
    assert (made["kind"], made["environment"], made["description"], made["status"]) == (
        "space",
        "live",
        "Runs",
        "active",
    )
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)
    assert filled.one("token", "show", made["id"]) == {key: made[key] for key in made if key != "secret"}


def test_a_token_lives_and_ends(filled: Cli) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")["id"]
    assert filled.one("token", "disable", token, "--yes")["status"] == "disabled"
    assert filled.one("token", "enable", token)["status"] == "active"
    successor = filled.one("token", "rotate", token, "--grace", "0", "--expires", "never", "--yes")
    assert successor["rotated_from"] == token
    assert filled.one("token", "show", token)["status"] == "expired"
    assert successor["id"] in filled.error("token", "rotate", token)
    revoked = filled.one("token", "revoke", successor["id"], "--yes", "--reason", "leaked")
    assert (revoked["status"], revoked["revoked_reason"]) == ("revoked", "leaked")
    assert "revoked" in filled.error("token", "enable", successor["id"])
    filled("token", "delete", successor["id"], "--yes")
    assert "There is no such token" in filled.error("token", "show", successor["id"])
    assert [one["id"] for one in filled.lines("token", "list", "-w", "guard-demo")] == [token]


def test_lists_are_filtered(filled: Cli) -> None:
    def name(*args: str) -> list[str]:
        return [one["name"] for one in filled.lines("token", "list", "-w", "spooled-demo", *args)]

    filled("token", "create", "Test key", "-w", "spooled-demo", "-g", "jobs:read", "--environment", "test")
    filled(
        "token", "create", "Short", "-w", "spooled-demo", "-g", "jobs:read", "--expires", "1h", "--space", "production"
    )
    assert name() == ["Short", "Test key", "Demo management"]
    assert name("--environment", "test") == ["Test key"]
    assert "--environment: Write live or test." in filled.error(
        "token", "list", "-w", "spooled-demo", "--environment", "staging", code=2
    )
    assert name("--expiring", "1") == ["Short"]
    assert name("--space", "production") == ["Short"]
    assert name("--text", "MANAGE") == ["Demo management"]
    assert name("--status", "revoked", "--status", "disabled") == []
    assert name("--limit", "2") == ["Short", "Test key"]


@pytest.mark.long
def test_a_long_list_comes_whole_as_json_and_cut_as_a_table(filled: Cli) -> None:
    filled("workspace", "edit", "emit-demo", "--plan", "team")
    for number in range(101):
        filled("token", "create", f"T{number:03}", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging")
    assert len(filled.lines("token", "list", "-w", "emit-demo")) == 101
    table = Cli({**filled.settings, "COLUMNS": "200"})("token", "list", "-w", "emit-demo")
    assert ("T100" in table.stdout, "T000" in table.stdout) == (True, False)
    assert "--limit" in table.stderr


def test_inactive_tokens_are_found_in_one_workspace_and_in_all(filled: Cli) -> None:
    filled("token", "create", "Idle", "-w", "guard-demo", "-g", "sessions:read")
    assert {one["name"] for one in filled.lines("token", "inactive", "--days", "0")} == {"Demo management", "Idle"}
    assert [one["workspace"] for one in filled.lines("token", "inactive", "-w", "guard-demo", "--days", "0")] == [
        "guard-demo"
    ]
    assert filled.lines("token", "inactive") == []


def test_names_are_shown_as_they_are_and_never_as_markup(filled: Cli) -> None:
    filled = Cli({**filled.settings, "COLUMNS": "200"})
    filled("token", "create", "[red]bold[/red]", "-w", "guard-demo", "-g", "sessions:read")
    assert "[red]bold[/red]" in filled("token", "list", "-w", "guard-demo").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["x", "-w", "emit-demo", "-g", "jobs:raed", "--space", "staging"],
            "--grant: Unknown scope 'jobs:raed'. Did you mean",
        ),
        (
            ["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--environment", "prod"],
            "--environment: Unknown environment 'prod'. There is only 'live'.",
        ),
        (["x", "-w", "emit-demo", "-g", "jobs:read"], "--space: "),
        (["x", "-w", "emit-demo", "--space", "staging"], "--grant: "),
        (["", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging"], "NAME: "),
        (["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "stagging"], "There is no space 'stagging'"),
        (["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--preset", "wroker"], "--preset: "),
        (["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--environment", "test"], "--environment: "),
        (
            ["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--expires", "soon"],
            "--expires: Write 90d",
        ),
        (
            ["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--expires", "2030-02-30"],
            "--expires: Write",
        ),
        (
            ["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--expires", "3m"],
            "could be minutes or months",
        ),
        (["x", "-w", "emit-demo", "-g", "jobs:read,jobs:raed", "--space", "staging"], "Unknown scope 'jobs:raed'"),
        (
            ["x", "-w", "emit-demo", "-g", "jobs:read", "--space", "staging", "--expires", "2020-01-01T00:00:00Z"],
            "future",
        ),
        (["x", "-w", "emit-dmeo", "-g", "jobs:read"], "There is no workspace 'emit-dmeo'. Did you mean 'emit-demo'"),
    ],
)
def test_a_refused_token_says_which_option_to_change_and_makes_nothing(filled: Cli, args: list[str], said: str) -> None:
    assert said in filled.error("token", "create", *args, code=1 if said.startswith("There is no ") else 2)
    assert filled.lines("token", "list", "-w", "emit-demo") == []


def test_where_tokens_may_have_roles_and_scopes_a_mistyped_role_is_a_role(filled: Cli, tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text((EXAMPLES / "teamspace.toml").read_text().replace('grants = "role"\n', ""))
    both = Cli({**filled.settings, "SPACEKEY_PRODUCTS": str(file)})
    create = ("token", "create", "x", "-w", "teamspace-demo", "-g")
    assert "--grant: Unknown role 'viewr'. Did you mean 'viewer'?" in both.error(*create, "viewr", code=2)
    assert "--grant: Unknown scope 'task:read'. Did you mean 'tasks:read'" in both.error(*create, "task:read", code=2)
    both(*create, "tasks:read", "-g", "viewer")


def test_a_plan_without_tokens_says_to_upgrade(filled: Cli) -> None:
    filled("workspace", "edit", "guard-demo", "--plan", "free", "--yes")
    assert "upgrade" in filled.error("token", "create", "x", "-w", "guard-demo", "-g", "full_access")


def test_a_secret_in_place_of_an_id_is_told_apart_and_not_repeated(filled: Cli) -> None:
    secret = filled("token", "create", "One", "-w", "guard-demo", "-g", "full_access").stdout.strip()
    said = filled.error("token", "revoke", secret, "--yes", code=2)
    assert "secret" in said
    assert secret not in said
    assert "key_" in filled.error("token", "show", "em_live_nonsense", code=2)


def test_nothing_is_taken_away_without_yes_where_nobody_can_be_asked(filled: Cli) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")["id"]
    assert "--yes" in filled.error("token", "revoke", token, code=2)
    assert "--yes" in filled.error("token", "delete", token, code=2)
    assert filled.one("token", "show", token)["status"] == "active"


def test_an_id_stays_in_one_piece_in_a_narrow_terminal(filled: Cli) -> None:
    token = filled.one("token", "create", "A rather long name", "-w", "guard-demo", "-g", "sessions:read")["id"]
    assert token in Cli({**filled.settings, "COLUMNS": "80"})("token", "list", "-w", "guard-demo").stdout


# ``spacekey token edit`` and ``spacekey workspace policy``: what is left out stays as it is.


POLICY = ("expiry_required", "max_lifetime_seconds", "default_lifetime_seconds", "scopes_allowed")


def test_a_tokens_fields_are_edited_one_by_one(filled: Cli) -> None:
    made = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read", "--description", "Old")
    token, left_out = made["id"], {"secret", "effective_at"}

    def edited(*args: str) -> dict[str, object]:
        before = filled.one("token", "show", token)
        after = {
            key: value
            for key, value in filled.one("token", "edit", token, *args, "--yes").items()
            if key not in left_out
        }
        assert after == filled.one("token", "show", token)
        return {key: after[key] for key in after if after[key] != before[key]}

    assert edited("--name", "Two") == {"name": "Two"}
    assert edited("--description", "New") == {"description": "New"}
    assert edited("--description", "") == {"description": None}
    assert edited("-g", "resources:read", "-g", "sessions:write") == {
        "grants": ["resources:read", "sessions:write"],
        "scopes": ["resources:read", "sessions:write"],
    }
    [(field, moment)] = edited("--expires", "30d").items()
    left = datetime.fromisoformat(str(moment)) - datetime.now(UTC)
    assert (field, timedelta(days=29, hours=23) < left <= timedelta(days=30)) == ("expires_at", True)
    assert edited("--expires", "never") == {"expires_at": None}


def test_a_tokens_role_is_edited_as_its_scope(filled: Cli) -> None:
    token = filled.one("token", "create", "CI", "-w", "teamspace-demo", "-g", "viewer")["id"]
    assert filled.one("token", "edit", token, "-g", "member", "--yes")["role"] == "member"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "--grant, --expires, --external-id or --metadata"),
        (["--name", ""], 2, "spacekey: --name: Must not be empty."),
        (["-g", "sessions:raed"], 2, "spacekey: --grant: Unknown scope 'sessions:raed'. Did you mean 'sessions:read'"),
        (["--expires", "soon"], 2, "spacekey: --expires: Write 90d"),
        (["--expires", "2020-01-01T00:00:00Z"], 2, "spacekey: --expires: Must be in the future."),
        (["--name", "Two", "-g", "nothing"], 2, "spacekey: --grant: "),
    ],
)
def test_a_refused_edit_changes_nothing(filled: Cli, args: list[str], code: int, said: str) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")["id"]
    before = filled.one("token", "show", token)
    assert said in filled.error("token", "edit", token, *args, code=code)
    assert filled.one("token", "show", token) == before


def test_a_revoked_token_cannot_be_edited(filled: Cli) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read")["id"]
    filled("token", "revoke", token, "--yes")
    assert "revoked" in filled.error("token", "edit", token, "--name", "Two")


def test_a_workspaces_policy_is_edited_one_by_one(filled: Cli) -> None:
    def policy(*args: str) -> dict[str, object]:
        before = filled.one("workspace", "show", "guard-demo")
        after = filled.one("workspace", "edit", "guard-demo", *args, "--yes")
        assert {key: after[key] for key in before} == filled.one("workspace", "show", "guard-demo")
        return {key: after[key] for key in POLICY if after[key] != before[key]}

    assert policy("--lifetime-max", "90d") == {"max_lifetime_seconds": 90 * 86_400}
    assert policy("--lifetime-default", "12h") == {"default_lifetime_seconds": 43_200}
    assert policy("--expiry-required") == {"expiry_required": True}
    assert policy("--allow", "sessions:read") == {"scopes_allowed": ["sessions:read"]}
    assert policy("--lifetime-max", "none", "--lifetime-default", "none") == {
        "max_lifetime_seconds": None,
        "default_lifetime_seconds": None,
    }
    assert policy("--expiry-optional", "--allow-all") == {"expiry_required": False, "scopes_allowed": None}


def test_a_policy_holds_for_the_next_token(filled: Cli) -> None:
    filled(
        "workspace",
        "edit",
        "guard-demo",
        "--expiry-required",
        "--lifetime-max",
        "1d",
        "--allow",
        "sessions:read",
        "--yes",
    )
    said = filled.error("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read", "--expires", "2d", code=2)
    assert "--expires: Must be within" in said
    assert "policy does not allow" in filled.error(
        "token", "create", "One", "-w", "guard-demo", "-g", "resources:read", code=2
    )


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "--lifetime-max, --lifetime-default, --expiry-required"),
        (["--allow", "sessions:read", "--allow-all"], 2, "--allow or --allow-all"),
        (["--lifetime-max", "0d"], 2, "spacekey: --lifetime-max: Write 90d, 2w, 1y, 12h, 30min or none."),
        (["--lifetime-default", "soon"], 2, "spacekey: --lifetime-default: Write 90d"),
        (["--lifetime-max", "99999d"], 2, "spacekey: --lifetime-max: "),
        (["--lifetime-max", "1h", "--lifetime-default", "2h"], 2, "spacekey: --lifetime-default: Must not be longer"),
        (
            ["--allow", "sessions:raed"],
            2,
            "spacekey: --allow: Unknown scope 'sessions:raed'. Did you mean 'sessions:read'",
        ),
    ],
)
def test_a_refused_policy_changes_nothing(filled: Cli, args: list[str], code: int, said: str) -> None:
    before = filled.lines("workspace", "list")
    assert said in filled.error("workspace", "edit", "guard-demo", *args, code=code)
    assert filled.lines("workspace", "list") == before


# ``spacekey token inactive`` on a terminal and for machines.


def _age(cli: Cli, days: int, name: str, *, used_days_ago: int | None = None) -> None:
    """Make a token older than it is: nothing else can, for the command line reads the machine's clock."""
    moment = "strftime('%Y-%m-%d %H:%M:%f000', 'now', ?)"
    used = None if used_days_ago is None else f"-{used_days_ago} days"
    with sqlite3.connect(cli.settings["SPACEKEY_DATABASE_URL"].partition("///")[2]) as connection:
        connection.execute(
            f"UPDATE spacekey_tokens SET created_at = {moment}, last_used_at = {moment} WHERE name = ?",
            (f"-{days} days", used, name),
        )
    connection.close()


def test_unused_tokens_come_first_then_unused_scopes_and_old_secrets_are_counted(filled: Cli) -> None:
    for name in ("Never", "Once", "Often", "Young"):
        filled("token", "create", name, "-w", "guard-demo", "-g", "sessions:read")
    _age(filled, 200, "Never")
    _age(filled, 120, "Once", used_days_ago=100)
    _age(filled, 95, "Often", used_days_ago=1)

    found = filled.lines("token", "inactive", "-w", "guard-demo")
    assert [(one["name"], one["finding"], one["unused_scopes"], one["age_days"]) for one in found] == [
        ("Never", "never used", ["sessions:read"], 200),
        ("Once", "not used", ["sessions:read"], 120),
        ("Often", "scopes not used", ["sessions:read"], 95),
    ]
    assert [one["name"] for one in filled.lines("token", "inactive", "-w", "guard-demo", "--days", "150")] == ["Never"]
    shown = Cli({**filled.settings, "COLUMNS": "200"})("token", "inactive", "-w", "guard-demo")
    assert "never used" in shown.stdout
    assert "3 active tokens are 90 days old or more" in shown.stderr


def test_where_nothing_is_to_be_done_it_says_so(filled: Cli) -> None:
    told = filled("token", "inactive", "-w", "guard-demo")
    assert (told.stdout, told.stderr) == ("", "There are none.\n")


def test_a_wrong_number_of_days_is_refused(filled: Cli) -> None:
    assert "--days: Give 0 to" in filled.error("token", "inactive", "-w", "guard-demo", "--days", "-1", code=2)


# External ids and metadata on the command line.


def test_commands_write_show_list_and_clear_them(cli: Cli) -> None:
    made = cli.one("workspace", "create", "acme", "--product", "spooled", "--external-id", "tenant-42")
    assert made["external_id"] == "tenant-42"
    cli.one("space", "create", "main", "-w", "acme", "--external-id", "project-1")
    assert [one["slug"] for one in cli.lines("workspace", "list", "--external-id", "tenant-42")] == ["acme"]
    assert cli.lines("workspace", "list", "--external-id", "tenant-43") == []
    assert [one["slug"] for one in cli.lines("space", "list", "-w", "acme", "--external-id", "project-1")] == ["main"]
    grants = ("-w", "acme", "-g", "jobs:read")
    token = cli.one("token", "create", "CI", *grants, "--external-id", "user-7", "--metadata", '{"a": [1]}')
    cli.one("token", "create", "other", *grants)
    assert (token["external_id"], token["metadata"]) == ("user-7", {"a": [1]})
    assert [one["id"] for one in cli.lines("token", "list", "--external-id", "user-7")] == [token["id"]]
    assert cli.one("token", "count", "-w", "acme", "--external-id", "user-7")["count"] == 1
    assert cli.one("token", "count", "-w", "acme", "--imported")["count"] == 0
    edited = cli.one("token", "edit", token["id"], "--external-id", "", "--metadata", "")
    assert (edited["external_id"], edited["metadata"]) == (None, {})
    assert "external id is taken" in cli.error(
        "workspace", "create", "other", "--product", "spooled", "--external-id", "tenant-42"
    )
    for text in ("[1]", "{", '{"a": 1, "a": 2}', '{"a": 9007199254740992}'):
        assert "metadata" in cli.error("token", "create", "x", *grants, "--metadata", text, code=2)
    assert cli.one("workspace", "edit", "acme", "--external-id", "", "--yes")["external_id"] is None
