"""``spacekey user erase``."""

from __future__ import annotations

from support.cli import Cli
from support.world import PASSWORD

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
