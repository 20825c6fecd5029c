"""Who ran a command stands in the audit log and on what it made."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from spacekey.server.cli._run import operator_name
from support.cli import Cli


def last_actor(cli: Cli) -> dict[str, str]:
    found: dict[str, str] = cli.lines("audit", "list", "-w", "guard-demo", "--limit", "1")[0]["actor"]
    return found


def test_the_operators_name_is_in_the_audit_log_and_the_id_stays(filled: Cli) -> None:
    ada = Cli({**filled.settings, "SPACEKEY_OPERATOR": "ada@example.com"})
    made = ada.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    expected = {"kind": "operator", "id": "operator", "name": "ada@example.com", "unproven": False}
    assert last_actor(filled) == expected
    assert made["created_by"] == expected
    ada("token", "disable", made["id"], "--yes")
    assert last_actor(filled) == expected
    assert {one["result"] for one in filled.lines("audit", "verify")} == {"ok"}
    assert "ada@example.com (operator)" in filled("audit", "list", "-w", "guard-demo").stdout
    assert "ada@exa" in Cli({**filled.settings, "COLUMNS": "80"})("audit", "list", "-w", "guard-demo").stdout


def test_the_name_may_stand_in_a_file(filled: Cli, tmp_path: Path) -> None:
    (tmp_path / "name").write_text("Ada\n")
    named = Cli({**filled.settings, "SPACEKEY_OPERATOR": "", "SPACEKEY_OPERATOR_FILE": str(tmp_path / "name")})
    named("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    assert last_actor(filled)["name"] == "Ada"


def test_without_a_name_it_is_the_user_before_sudo_and_the_machine() -> None:
    host = socket.gethostname()
    assert operator_name(None, {"SUDO_USER": "ada"}) == f"ada@{host}"
    assert operator_name(None, {}) == f"{getpass.getuser()}@{host}"
    assert operator_name("Grace", {"SUDO_USER": "ada"}) == "Grace"


def test_a_user_without_a_name_is_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert operator_name(None, {}) == f"operator@{socket.gethostname()}"
    assert operator_name(None, {"SUDO_USER": "a\nb"}) == "operator"


@pytest.mark.parametrize("name", ["a\nb\tc", "\u202eada", "x" * 201])
def test_a_name_that_no_one_may_have_is_refused(filled: Cli, name: str) -> None:
    bad = Cli({**filled.settings, "SPACEKEY_OPERATOR": name})
    assert "SPACEKEY_OPERATOR: " in bad.error("workspace", "list", code=2)
