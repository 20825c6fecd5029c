"""``spacekey restore-check``, as an operator uses it after a restore."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli import Cli
from support.databases import sqlite_database


@pytest.fixture
def restored(filled: Cli, tmp_path: Path) -> tuple[Cli, Path, str]:
    """A database restored from a backup, an export that is newer, and the token that was revoked in between."""
    token = filled.one("token", "create", "CI", "-w", "spooled-demo", "-g", "jobs:read")["id"]
    file = Path(filled.settings["SPACEKEY_DATABASE_URL"].partition(":///")[2])
    backup = Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, file)})
    filled("token", "revoke", token, "--yes")
    filled("token", "create", "Later", "-w", "spooled-demo", "-g", "jobs:read")
    export = tmp_path / "audit.ndjson"
    export.write_text(filled("audit", "export", "--all").stdout)
    return backup, export, token


def status(cli: Cli, token: str) -> str:
    return str(cli.one("token", "show", token)["status"])


def test_a_dry_run_says_what_would_end_and_then_it_ends(restored: tuple[Cli, Path, str]) -> None:
    cli, export, token = restored
    told = cli("restore-check", str(export), "--dry-run")
    assert "Nothing was changed." in told.stderr
    assert "These end:" in told.stdout
    assert token in told.stdout
    assert "made after the backup" in told.stdout
    assert status(cli, token) == "active"
    assert "1 thing ends" in cli.error("restore-check", str(export), code=2)
    done = cli.one("restore-check", str(export), "--yes")
    assert [(one["what"], one["id"], one["why"]) for one in done["ends"]] == [("token", token, "it was revoked")]
    assert [one["name"] for one in done["lost"]] == ["Later"]
    assert (done["dry_run"], done["ends_total"], done["unverified_total"]) == (False, 1, 0)
    assert {one["problem"] for one in done["chains"]} == {None}
    assert status(cli, token) == "revoked"
    assert cli.one("restore-check", str(export), "--yes")["ends"] == []


def test_what_nothing_vouches_for_is_named_and_the_command_fails(restored: tuple[Cli, Path, str]) -> None:
    cli, export, token = restored
    result = cli("restore-check", "--yes", "--json", code=1)
    facts = json.loads(result.stdout)
    assert token in {one["id"] for one in facts["unverified"]}
    assert "no export of its audit log was given" in {one["why"] for one in facts["unverified"]}
    assert {"accounts", "sessions", "services"} & {one["what"] for one in facts["unverified"]}
    assert "Nothing vouches for" in result.stderr
    assert status(cli, token) == "active"
    one_chain = [line for line in export.read_text().splitlines() if '"chain": "system"' not in line]
    result = cli("restore-check", "-", "--yes", "--json", code=1, stdin="\n".join(one_chain))
    assert {one["what"] for one in json.loads(result.stdout)["unverified"]} <= {"accounts", "sessions", "services"}
    assert status(cli, token) == "revoked"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "cannot be read: it is no text"),
        (b'{"chain": "system"}\n', "line 1 of '"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_export_is_named(filled: Cli, tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "export.ndjson"
    if content is not None:
        file.write_bytes(content)
    told = filled.error("restore-check", str(file), "--yes", code=2)
    assert said in told
    assert str(file) in told
