"""Commands in a locale that has no character beyond ASCII: they say everything, and JSON stays JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Cli
from support.databases import sqlite_database

NAME = "Émile’s “büro” → 東京 …"
LOCALES = {
    "posix": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""},
    "latin-1": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    "utf-8": {"LC_ALL": "C.UTF-8"},
}

SHOWING: list[tuple[str, ...]] = [
    ("token", "list", "emit-demo"),
    ("token", "list", "emit-demo", "--json"),
    ("workspace", "list"),
    ("space", "list", "emit-demo"),
    ("audit", "list", "emit-demo"),
    ("scopes", "list", "emit"),
    ("check",),
    ("token", "show", NAME),
    ("--help",),
    ("token", "create", "--help"),
]


@pytest.fixture(scope="module")
def database(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo with names that no eight-bit encoding holds."""
    url = sqlite_database(tmp_path_factory.mktemp("encoding"), demo_template)
    cli = Cli({"SPACEKEY_DATABASE_URL": url})
    cli("space", "create", "emit-demo", "buero", "--name", NAME)
    cli("token", "create", "emit-demo", NAME, "--space", "buero", "-s", "jobs:read")
    return url


def run(database: str, locale: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The program itself, started by a shell with this locale."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPACEKEY_", "LC_", "PYTHON"))}
    command: list[str | bytes] = [
        sys.executable,
        "-c",
        "from spacekey.server.cli import main; main()",
        *map(os.fsencode, arguments),
    ]
    settings = {"SPACEKEY_DATABASE_URL": database, **LOCALES[locale]}
    return subprocess.run(command, env={**env, **settings}, capture_output=True, check=False)


@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_no_command_ends_in_a_traceback(database: str, arguments: tuple[str, ...]) -> None:
    done = run(database, "posix", *arguments)
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == (2 if NAME in arguments else 0), done.stderr
    assert done.stdout.isascii()
    assert done.stderr.isascii()


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_json_is_json_in_every_locale(database: str, locale: str) -> None:
    lines = run(database, locale, "token", "list", "emit-demo", "--json").stdout.splitlines()
    assert NAME in [json.loads(line)["name"] for line in lines]


def test_an_exported_log_is_the_same_in_every_locale(database: str) -> None:
    exports = [run(database, locale, "audit", "export", "emit-demo").stdout for locale in sorted(LOCALES)]
    events = [[json.loads(line) for line in one.splitlines()] for one in exports]
    assert events[0] == events[1] == events[2]
    assert any(NAME in json.dumps(one, ensure_ascii=False) for one in events[0])


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_arguments_are_read_as_utf_8(database: str, locale: str) -> None:
    done = run(database, locale, "space", "create", "emit-demo", f"made-in-{locale}", "--name", NAME, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == NAME
