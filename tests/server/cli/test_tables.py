"""Tables: one line a row, no line longer than the terminal, and ids and prefixes whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spacekey.server.cli.common.table import LEAST_WIDTHS, fitted, layout, wrapped
from support.cli import Cli, command_tree
from support.databases import sqlite_database

WIDE_NAME = "東京の長い名前のワークスペース👩🏽‍🚀" * 4
LONG_NAME = "A name that is as long as names of products and teams tend to become once in use"
EMAIL = f"{'long.' * 8}name@department.of.analytical.engines.example.com"
PASSWORD = "seven wooden boats at noon\n"

LISTS: dict[str, list[str]] = {
    "audit heads": [],
    "audit list": ["-w", "emit-demo"],
    "audit verify": [],
    "invitation list": ["-w", "emit-demo"],
    "member list": ["-w", "emit-demo"],
    "product list": [],
    "product show": ["emit"],
    "service list": [],
    "role list": ["-w", "emit-demo"],
    "usage show": ["-w", "emit-demo"],
    "usage list": ["-w", "emit-demo"],
    "token whose": ["em_live"],
    "space list": ["-w", "emit-demo"],
    "token inactive": ["--days", "0"],
    "token list": ["-w", "emit-demo"],
    "user list": [],
    "workspace list": [],
}
ID = re.compile(r"\b(?:ws|space|key|usr|evt|inv)_[0-9a-z]+")
PREFIX = re.compile(r"\b(?:em|sp|ts|gd|sk)\w*_(?:live|test)_\w+…?")


@pytest.fixture(scope="module")
def long_names(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with a name that is long, and one that is long and wide, wherever there is a name."""
    file = tmp_path_factory.mktemp("long") / "names.db"
    shutil.copyfile(demo_template, file)
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{file}"})
    for number, name in enumerate((WIDE_NAME[:100], LONG_NAME)):
        slug = f"a-long-slug-of-a-workspace-{number}"
        cli("workspace", "create", slug, "--product", "emit", "--name", name)
        cli("space", "create", slug, "-w", "emit-demo", "--name", name)
        scopes = [word for one in ("jobs:read", "jobs:create", "jobs:worker") for word in ("-g", one)]
        cli("token", "create", name, "-w", "emit-demo", "--space", slug, *scopes, "--expires", "90d")
        cli("user", "create", f"{number}.{EMAIL}", "--name", name, "--password-stdin", stdin=PASSWORD)
        cli("member", "add", f"{number}.{EMAIL}", "-w", "emit-demo", "--role", "viewer")
        cli("member", "add", f"invited.{number}.{EMAIL}", "-w", "emit-demo", "--role", "viewer", "--name", name)
    return file


@pytest.fixture
def named(long_names: Path, tmp_path: Path) -> dict[str, str]:
    return {"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, long_names)}


@dataclass(frozen=True)
class Command:
    words: str
    options: frozenset[str]


def commands() -> Iterator[Command]:
    root = command_tree()
    for group, inner in root.commands.items():
        for name, leaf in getattr(inner, "commands", {}).items():
            yield Command(f"{group} {name}", frozenset(opt for one in leaf.params for opt in one.opts))


@pytest.mark.sampled(3)
def test_every_list_has_wide_and_is_tried_here() -> None:
    assert {one.words for one in commands() if "--wide" in one.options} == set(LISTS)
    assert {one.words for one in commands() if "--limit" in one.options} <= set(LISTS)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("words", LISTS)
def test_no_line_is_longer_than_the_terminal_and_no_id_is_broken(named: dict[str, str], words: str, width: int) -> None:
    printed = Cli({**named, "COLUMNS": str(width)})(*words.split(), *LISTS[words]).stdout
    whole = Cli(named)(*words.split(), *LISTS[words]).stdout
    lines = printed.splitlines()
    assert [line for line in lines if cell_len(line) > width] == []
    assert len(lines) == len(whole.splitlines()), "a row takes one line"
    known_ids, known_prefixes = set(ID.findall(whole)), set(PREFIX.findall(whole))
    assert set(ID.findall(printed)) <= known_ids
    assert set(PREFIX.findall(printed)) <= known_prefixes


@pytest.mark.sampled(3)
@pytest.mark.parametrize("words", ["token list", "user list", "space list", "member list", "workspace list"])
def test_the_ids_of_all_rows_stand_in_a_narrow_table(named: dict[str, str], words: str) -> None:
    rows = Cli(named).lines(*words.split(), *LISTS[words])
    printed = Cli({**named, "COLUMNS": "80"})(*words.split(), *LISTS[words]).stdout
    for row in rows:
        assert row["user_id" if "user_id" in row else "id"] in printed
        assert row.get("prefix", "") in printed


@pytest.mark.sampled(3)
@pytest.mark.parametrize("flags", [[], ["--wide"]])
@pytest.mark.parametrize("words", sorted(set(LISTS) - {"product show"}))
def test_without_a_terminal_and_with_wide_nothing_is_cut(named: dict[str, str], words: str, flags: list[str]) -> None:
    settings = {**named, "COLUMNS": "80"} if flags else named
    result = Cli(settings)(*words.split(), *LISTS[words], *flags)
    assert "Left out" not in result.stderr
    for row in json.loads(Cli(named)(*words.split(), *LISTS[words], "--json").stdout):
        if "name" in row and words != "audit list":
            assert row["name"] in result.stdout
        for scope in row.get("unused_scopes", row.get("grants", [])):
            assert scope in result.stdout


@pytest.mark.sampled(3)
def test_what_is_left_out_is_said(named: dict[str, str]) -> None:
    result = Cli({**named, "COLUMNS": "80"})("token", "list", "-w", "emit-demo")
    assert "Left out at this width: grants, last used, expires. --wide shows everything." in result.stderr


@pytest.mark.sampled(3)
def test_an_id_stays_whole_where_one_token_is_shown(named: dict[str, str]) -> None:
    token = Cli(named).lines("token", "list", "-w", "emit-demo")[0]
    printed = Cli({**named, "COLUMNS": "60"})("token", "show", token["id"]).stdout
    for value in (token["id"], token["display_id"], token["prefix"], token["workspace_id"], token["space_id"]):
        assert any(line.endswith(value) for line in printed.splitlines())


@pytest.mark.sampled(3)
def test_findings_are_whole_at_any_width(named: dict[str, str]) -> None:
    wrong = {**named, "SPACEKEY_PRODUCTS": "/nowhere.toml"}
    lines = Cli({**wrong, "COLUMNS": "80"})("check", code=1).stdout.splitlines()
    whole = Cli(wrong)("check", code=1).stdout
    assert all(cell_len(line) <= 80 for line in lines)
    assert " ".join(lines).split() == whole.split()


@pytest.mark.sampled(3)
def test_lists_are_one_json_array_and_json_lines_one_object_a_line(named: dict[str, str]) -> None:
    cli = Cli(named)
    for words, args in LISTS.items():
        if words == "product show":
            continue
        array = json.loads(cli(*words.split(), *args, "--json").stdout)
        assert array == [json.loads(line) for line in cli(*words.split(), *args, "--jsonl").stdout.splitlines()]
        assert "not both" in cli.error(*words.split(), *args, "--json", "--jsonl", code=2)
    assert cli("token", "list", "-w", "guard-demo", "--json").stdout == "[]\n"
    assert cli("token", "list", "-w", "guard-demo", "--jsonl").stdout == ""


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=60)


@pytest.mark.sampled(3)
@given(TEXTS, st.integers(min_value=5, max_value=40))
def test_a_cell_is_as_wide_as_its_column(text: str, width: int) -> None:
    assert cell_len(fitted(text, width)) == width


@pytest.mark.sampled(3)
@given(st.lists(TEXTS, max_size=8).map(" ".join), st.integers(min_value=1, max_value=40))
def test_wrapping_breaks_no_word_and_loses_none(text: str, width: int) -> None:
    lines = list(wrapped(text, width))
    assert " ".join(lines).split() == text.split()
    assert [line for line in lines if cell_len(line) > width and " " in line.strip()] == []


@pytest.mark.sampled(3)
@given(
    st.dictionaries(st.sampled_from([*LEAST_WIDTHS, "id", "prefix", "status"]), st.integers(1, 120), min_size=1),
    st.integers(min_value=20, max_value=200),
)
def test_columns_fit_or_are_left_out_in_order(natural: dict[str, int], width: int) -> None:
    drop = list(natural)[1:]
    fits = layout(natural, drop, width)
    assert list(fits.left_out) == drop[: len(fits.left_out)]
    assert {*fits.widths, *fits.left_out} == set(natural)
    taken = sum(fits.widths.values()) + 2 * (len(fits.widths) - 1)
    assert taken <= width or (len(fits.widths) == 1 and drop == list(fits.left_out))
    for name, wide in fits.widths.items():
        assert natural[name] >= wide >= min(natural[name], LEAST_WIDTHS.get(name, natural[name]))


# Commands in a locale that has no character beyond ASCII: they say everything, and JSON stays JSON.


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
