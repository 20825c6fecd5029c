"""External ids and metadata on the command line."""

from __future__ import annotations

from support.cli import Cli


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
