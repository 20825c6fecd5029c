"""``spacekey token inactive`` on a terminal and for machines."""

from __future__ import annotations

import sqlite3

from support.cli import Cli


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
