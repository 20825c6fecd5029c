"""``spacekey audit``."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

from support.cli import Cli


def test_events_are_listed_newest_first_and_by_target_and_action(filled: Cli) -> None:
    token = filled.one("token", "create", "guard-demo", "One", "-s", "full_access")["id"]
    filled("token", "revoke", token, "--yes")
    listed = filled.lines("audit", "list", "guard-demo")
    assert [one["action"] for one in listed] == ["token.revoke", "token.create", "workspace.create"]
    assert [one["actor"] for one in listed] == [{"kind": "operator", "id": "operator", "name": "operator"}] * 3
    assert len(filled.lines("audit", "list", "guard-demo", "--target", token)) == 2
    assert len(filled.lines("audit", "list", "guard-demo", "--action", "token.create")) == 1
    assert [one["action"] for one in filled.lines("audit", "list", "system")] == ["user.create"]


def test_export_is_the_whole_chain_oldest_first(filled: Cli) -> None:
    result = filled("audit", "export", "emit-demo")
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
    [broken] = [one for one in map(json.loads, result.stdout.splitlines()) if one["result"] == "broken"]
    assert (broken["chain"], broken["broken_at"]) == ("system", 1)
    assert "do not fit" in result.stderr


def test_times_end_in_z_as_everywhere(filled: Cli) -> None:
    token = filled.one("token", "create", "guard-demo", "One", "-s", "full_access", "--expires", "90d")["id"]
    filled("token", "disable", token)
    filled("workspace", "suspend", "guard-demo", "--yes")
    listed = filled.lines("audit", "list", "guard-demo")
    exported = [json.loads(line) for line in filled("audit", "export", "guard-demo").stdout.splitlines()]
    facts = [one for event in (*listed, *exported) for one in (event, event["before"] or {}, event["after"] or {})]
    moments = [value for one in facts for key, value in one.items() if key.endswith("at") and value is not None]
    assert len(moments) > len(facts) / 2
    assert [one for one in moments if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one) is None] == []
