"""One pass through the commands on each kind of database."""

from __future__ import annotations

from support.cli import Cli
from support.databases import postgres_database
from support.postgres import PostgresServer


def test_from_nothing_to_a_verified_audit_log(bare_database_url: str) -> None:
    cli = Cli({"SPACEKEY_DATABASE_URL": bare_database_url})
    assert cli.one("migrate")["before"] is None
    assert cli.one("demo")["changed"]
    assert not cli.one("demo")["changed"]
    token = cli.one("token", "create", "Worker", "-w", "emit-demo", "--space", "production", "-g", "jobs:worker")["id"]
    assert cli.one("token", "rotate", token)["rotated_from"] == token
    assert cli.one("token", "revoke", token, "--yes", "--no-wait")["status"] == "revoked"
    assert [one["status"] for one in cli.lines("token", "list", "-w", "emit-demo")] == ["active", "revoked"]
    assert len(cli.lines("token", "inactive", "--days", "0")) == 2
    assert {one["result"] for one in cli.lines("audit", "verify")} == {"ok"}
    assert {one["result"] for one in cli.lines("check")} == {"ok"}
    assert len(cli("audit", "export", "-w", "emit-demo").stdout.splitlines()) == 7


def test_commands_work_in_a_schema_of_their_own(postgres: PostgresServer) -> None:
    """Beside an installation in ``public``, which does not see what they do."""
    with postgres_database(postgres) as url:
        public = Cli({"SPACEKEY_DATABASE_URL": url})
        own = Cli({"SPACEKEY_DATABASE_URL": url, "SPACEKEY_DATABASE_SCHEMA": "keys"})
        assert "spacekey migrate" in own.error("workspace", "list", code=3)
        assert own.one("migrate")["before"] is None
        assert own.one("workspace", "create", "acme", "--product", "spooled")["slug"] == "acme"
        assert own.one("token", "create", "CI", "-w", "acme", "-g", "jobs:read")["status"] == "active"
        assert [one["slug"] for one in own.lines("workspace", "list")] == ["acme"]
        assert public.lines("workspace", "list") == []
        assert {one["result"] for one in own.lines("audit", "verify")} == {"ok"}
        assert {one["result"] for one in own.lines("check")} == {"ok"}


def test_commands_refuse_a_database_without_tables(bare_database_url: str) -> None:
    assert "spacekey migrate" in Cli({"SPACEKEY_DATABASE_URL": bare_database_url}).error("token", "inactive", code=3)
