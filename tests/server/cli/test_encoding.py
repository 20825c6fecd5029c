"""Commands in a locale that has no character beyond ASCII: they say everything, and JSON stays JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from support.cli import Cli
from support.databases import sqlite_database

NAME = "Émile’s “büro” → 東京 …"
LOCALES = {
    "posix": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""},
    "latin-1": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    "utf-8": {"LC_ALL": "C.UTF-8"},
}

EXPORT = ("audit", "export", "-w", "emit-demo")
LISTING = ("token", "list", "-w", "emit-demo", "--json")
SHOWING: list[tuple[str, ...]] = [
    ("token", "list", "-w", "emit-demo"),
    LISTING,
    ("workspace", "list"),
    ("space", "list", "-w", "emit-demo"),
    ("audit", "list", "-w", "emit-demo"),
    ("product", "show", "emit"),
    ("check",),
    ("token", "show", NAME),
    ("--help",),
    ("token", "create", "--help"),
    ("token", "list", "--help"),
    ("user", "--help"),
]


@pytest.fixture(scope="module")
def database(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with names that no eight-bit encoding holds, to be copied."""
    file = tmp_path_factory.mktemp("encoding") / "names.db"
    shutil.copyfile(demo_template, file)
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{file}"})
    cli("space", "create", "buero", "-w", "emit-demo", "--name", NAME)
    cli("token", "create", NAME, "-w", "emit-demo", "--space", "buero", "-g", "jobs:read")
    return file


NEXT = "--next--"
PROGRAM = f"""
import json, os, sys, tempfile
from spacekey.server.cli import main

given, done = sys.argv[1:], []
while given:
    end = given.index({NEXT!r})
    sys.argv[1:], given = given[:end], given[end + 1 :]
    kept = [os.dup(number) for number in (1, 2)]
    written = [tempfile.TemporaryFile() for _ in kept]
    for number, file in enumerate(written, 1):
        os.dup2(file.fileno(), number)
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    sys.stdout.flush()
    sys.stderr.flush()
    for number, was in enumerate(kept, 1):
        os.dup2(was, number)
        os.close(was)
    texts = []
    for file in written:
        file.seek(0)
        texts.append(file.read().hex())
    done.append([code or 0, *texts])
sys.stdout.write(json.dumps(done))
"""
"""Runs one command after the other in one process, each on file descriptors of its own; prints how each ended."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and the bytes that it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


Ran: TypeAlias = dict[str, dict[tuple[str, ...], Done]]
"""Locale → command → how it ended."""


def creating(locale: str) -> tuple[str, ...]:
    return ("space", "create", f"made-in-{locale}", "-w", "emit-demo", "--name", NAME, "--json")


@pytest.fixture(scope="module")
def ran(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Each locale's commands, as they ended in a process that was started with this locale, on a copy of its own."""
    folder = tmp_path_factory.mktemp("locales")
    return {
        locale: run(sqlite_database(folder, database), locale, [EXPORT, *SHOWING, creating(locale)])
        for locale in LOCALES
    }


def run(database: str, locale: str, commands: list[tuple[str, ...]]) -> dict[tuple[str, ...], Done]:
    """The program itself, with arguments in UTF-8 as a shell passes them on."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPACEKEY_", "LC_"))}
    for name in ("PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE"):
        env.pop(name, None)
    arguments = [os.fsencode(word) for command in commands for word in (*command, NEXT)]
    settings = {"SPACEKEY_DATABASE_URL": database, **LOCALES[locale]}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env={**env, **settings}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ended = [Done(code, *map(bytes.fromhex, texts)) for code, *texts in json.loads(done.stdout)]
    return dict(zip(commands, ended, strict=True))


@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_no_command_ends_in_a_traceback(ran: Ran, arguments: tuple[str, ...]) -> None:
    done = ran["posix"][arguments]
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == (2 if NAME in arguments else 0), done.stderr
    assert done.stdout.isascii()
    assert done.stderr.isascii()


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_json_is_json_in_every_locale(ran: Ran, locale: str) -> None:
    assert NAME in [one["name"] for one in json.loads(ran[locale][LISTING].stdout)]


def test_an_exported_log_is_the_same_in_every_locale(ran: Ran) -> None:
    exports = [ran[locale][EXPORT].stdout for locale in sorted(LOCALES)]
    events = [[json.loads(line) for line in one.splitlines()] for one in exports]
    assert events[0] == events[1] == events[2]
    assert any(NAME in json.dumps(one, ensure_ascii=False) for one in events[0])


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_arguments_are_read_as_utf_8(ran: Ran, locale: str) -> None:
    done = ran[locale][creating(locale)]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == NAME
