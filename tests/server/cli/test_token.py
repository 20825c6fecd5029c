"""``spacekey token``."""

from __future__ import annotations

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
    assert "never again" in result.stderr


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
