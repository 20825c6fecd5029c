"""``spacekey audit``."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.cli import Cli


def test_events_are_listed_newest_first_and_by_target_and_action(filled: Cli) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")["id"]
    filled("token", "revoke", token, "--yes")
    listed = filled.lines("audit", "list", "-w", "guard-demo")
    assert [one["action"] for one in listed] == ["token.revoke", "token.create", "workspace.create"]
    assert [one["actor"] for one in listed] == [
        {"kind": "operator", "id": "operator", "name": "operator", "unproven": False}
    ] * 3
    assert len(filled.lines("audit", "list", "-w", "guard-demo", "--target", token)) == 2
    assert len(filled.lines("audit", "list", "-w", "guard-demo", "--action", "token.create")) == 1
    assert [one["action"] for one in filled.lines("audit", "list", "--system", "--action", "user.create")] == [
        "user.create"
    ]


def test_export_is_the_whole_chain_oldest_first(filled: Cli) -> None:
    result = filled("audit", "export", "-w", "emit-demo")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["sequence"] for one in events] == [1, 2, 3]
    assert "3 events" in result.stderr


def test_whole_chains_verify(filled: Cli) -> None:
    reports = filled.lines("audit", "verify")
    assert len(reports) == 5
    assert {one["result"] for one in reports} == {"ok"}
    assert len(filled.lines("audit", "verify", "emit-demo", "system")) == 2


def test_a_changed_event_is_found_and_ends_with_1(filled: Cli) -> None:
    file = filled.settings["SPACEKEY_DATABASE_URL"].partition("///")[2]
    with closing(sqlite3.connect(file)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE spacekey_audit_events SET actor_name = 'mallory' WHERE action = 'user.create'")
        connection.commit()
    result = filled("audit", "verify", "--json", code=1)
    [broken] = [one for one in json.loads(result.stdout) if one["result"] == "broken"]
    assert (broken["chain"], broken["broken_at"]) == ("system", 1)
    assert "do not fit" in result.stderr


def test_times_end_in_z_as_everywhere(filled: Cli) -> None:
    token = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access", "--expires", "90d")["id"]
    filled("token", "disable", token, "--yes")
    filled("workspace", "suspend", "guard-demo", "--yes")
    listed = filled.lines("audit", "list", "-w", "guard-demo")
    exported = [json.loads(line) for line in filled("audit", "export", "-w", "guard-demo").stdout.splitlines()]
    assert [one for one in listed if re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", one["created_at"]) is None] == []
    facts = [one for event in exported for one in (event, event["before"] or {}, event["after"] or {})]
    moments = [value for one in facts for key, value in one.items() if key.endswith("at") and value is not None]
    assert len(moments) > len(facts) / 2
    assert [one for one in moments if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one) is None] == []


def test_what_an_actor_did_and_made_is_listed(filled: Cli) -> None:
    made = filled.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    assert made["created_by"] == {"kind": "operator", "id": "operator", "name": "operator", "unproven": False}
    assert [one["id"] for one in filled.lines("token", "list", "-w", "guard-demo", "--created-by", "operator")] == [
        made["id"]
    ]
    stranger = "usr_" + "0" * 26
    assert filled.lines("token", "list", "-w", "guard-demo", "--created-by", stranger) == []
    assert len(filled.lines("audit", "list", "-w", "guard-demo", "--actor", "operator")) == 2
    assert filled.lines("audit", "list", "-w", "guard-demo", "--actor", stranger) == []
    assert "--created-by: Write an id" in filled.error(
        "token", "list", "-w", "guard-demo", "--created-by", "ada@example.com", code=2
    )
    assert "--actor: Write an id" in filled.error(
        "audit", "list", "-w", "guard-demo", "--actor", "ada@example.com", code=2
    )


def test_kept_heads_and_exports_hold_what_comes_later(filled: Cli, tmp_path: Path) -> None:
    kept, exported = tmp_path / "heads.ndjson", tmp_path / "export.ndjson"
    kept.write_text(filled("audit", "heads", "--json").stdout)
    exported.write_text(filled("audit", "export", "-w", "emit-demo").stdout)
    filled.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    assert filled.one("audit", "checkpoint")["chains"] > 0
    for file in (kept, exported):
        assert {one["result"] for one in filled.lines("audit", "verify", "--expect", str(file))} == {"ok"}
    chain = json.loads(exported.read_text().splitlines()[0])["chain"]
    kept.write_text(json.dumps({"chain": chain, "sequence": 2, "hash": "00" * 32}))
    result = filled("audit", "verify", "--expect", str(kept), "--json", code=1)
    [broken] = [one for one in json.loads(result.stdout) if one["result"] == "broken"]
    assert (broken["chain"], broken["broken_at"]) == (chain, 2)
    assert "a saved head" in broken["problem"]


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "[1]", "[", '{"chain": "system"}', '{"chain": 1, "sequence": 1, "hash": ""}']
)
def test_a_file_that_holds_no_heads_is_refused_with_its_line(filled: Cli, tmp_path: Path, text: str) -> None:
    file = tmp_path / "heads.ndjson"
    file.write_text(text)
    assert "audit heads --json" in filled.error("audit", "verify", "--expect", str(file), code=2)
    assert "cannot be read" in filled.error("audit", "verify", "--expect", str(tmp_path / "none"), code=2)
