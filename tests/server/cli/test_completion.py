"""Completion of values in a shell, on databases that answer and on those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli import Cli


def completed(cli: Cli, line: str) -> list[str]:
    """What a shell offers for the last word of a line."""
    words = line.split(" ")
    shell = {"_ROOT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = Cli({**cli.settings, **shell})()
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("root token list -w emit", ["emit-demo"]),
        ("root workspace show g", ["guard-demo"]),
        ("root token inactive -w t", ["teamspace-demo"]),
        ("root workspace create acme --product sp", ["spooled"]),
        ("root product show em", ["emit"]),
        ("root service create x --product gu", ["guard"]),
        ("root workspace edit emit-demo --plan te", ["team"]),
        ("root member add a@example.com -w emit-demo --role dev", ["developer"]),
        ("root member set-role a@example.com --role vie", ["viewer"]),
        ("root token create x --preset wor", ["worker"]),
        ("root token create x -g jobs:cr", ["jobs:create"]),
        ("root audit list -w emit-demo --action token.rev", ["token.revoke"]),
    ],
)
def test_values_are_completed(filled: Cli, line: str, offered: list[str]) -> None:
    assert completed(filled, line) == offered


@pytest.mark.parametrize(
    "settings",
    [
        {"SPACEKEY_DATABASE_URL": "sqlite:////nowhere/at/all.db"},
        {"SPACEKEY_DATABASE_URL": "postgresql://nobody:hidden-word@127.0.0.1:1/none"},
        {"SPACEKEY_DATABASE_URL": "nonsense"},
        {"SPACEKEY_PRODUCTS": "/nowhere.toml"},
        {"SPACEKEY_PROT": "1"},
    ],
    ids=str,
)
def test_what_cannot_be_found_is_not_completed_and_no_error_is_shown(tmp_path: Path, settings: dict[str, str]) -> None:
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/none.db", **settings})
    assert completed(cli, "root token list -w emit") == []
    assert list(tmp_path.iterdir()) == []
    if "SPACEKEY_DATABASE_URL" not in settings:
        assert completed(cli, "root product show em") == []
