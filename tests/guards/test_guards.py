"""Each guard is held by a test: the tool that removes them finds what it is there to find, and the long form runs it.

``SPACEKEY_GUARDS=long`` removes every guard of ``resolvers/`` and ``middleware/graphql/`` in turn (about half an hour).
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .find import files_of, guards_in, watched, without
from .plugin import ROOT
from .removal import excused_guards

pytestmark = pytest.mark.long

TESTS = {
    "resolvers": ["tests/resolvers", "tests/schema", "tests/server", "tests/security"],
    "middleware/graphql": ["tests/middleware/graphql", "tests/middleware/limits", "tests/security", "tests/schema"],
}

TOY = """
class Box:
    def __init__(self, open_, mine):
        self.open, self.mine = open_, mine

    def covers(self, other) -> bool:
        return self.open and other in self.mine


async def take(box, number, name):
    if number < 1:
        raise ValueError(number)
    if name == "" or name == "root" or len(name) > 10:
        raise ValueError(name)
    _check_box(box, number)
    return number


def _check_box(box, number):
    if not box.covers(number):
        raise KeyError(number)
"""

UNSTEADY = """

def test_unsteady():
    from pathlib import Path

    there = Path(__file__).with_name("there")
    first, _ = not there.exists(), there.touch()
    with pytest.raises(ValueError):
        taken(Box(True, [0]), 0, "ada")
    assert not first and "{fails}" == "once"
"""

TOY_TESTS = """
import asyncio

import pytest

from spacekey.toy.box import Box, take


def taken(box, number, name):
    return asyncio.run(take(box, number, name))


@pytest.mark.parametrize("name", ["", "root"])
def test_names(name):
    with pytest.raises(ValueError):
        taken(Box(True, [1]), 1, name)


def test_contents():
    with pytest.raises(KeyError):
        taken(Box(True, [1]), 2, "ada")


def test_reaches_a_guard_without_looking_at_what_it_does():
    try:
        taken(Box(True, [0]), 0, "ada")
    except ValueError:
        pass
"""


def run(*arguments: str, report: Path) -> subprocess.CompletedProcess[str]:
    """The command, from the root of the repository."""
    command = [sys.executable, "-m", "guards", *arguments, "--report", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_tool_tells_held_guards_from_others(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").touch()
    (tmp_path / "toy" / "box.py").write_text(TOY)
    (tmp_path / "test_box.py").write_text(TOY_TESTS)
    (tmp_path / "conftest.py").write_text("import spacekey.toy.box\n")  # before any test is collected
    done = run("toy", "--root", str(tmp_path), "--tests", "test_box.py", report=tmp_path / "report.json")
    assert "untried" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    found = {
        name: {one.partition(" ")[2] for one in guards}
        for name, guards in json.loads((tmp_path / "report.json").read_text()).items()
    }
    assert found == {
        "noticed": {
            "take [if] name == '' or name == 'root' or len(name) > 10",
            "take [operand] name == ''",
            "take [operand] name == 'root'",
            "take [call] _check_box(box, number)",
            "_check_box [if] not box.covers(number)",
            "Box.covers [predicate] other in self.mine",
        },
        "survived": {"take [if] number < 1"},
        "never_refused": {"take [operand] len(name) > 10", "Box.covers [predicate] self.open"},
        "excused": set(),
        "untried": set(),
    }


@pytest.mark.parametrize(("fails", "goes_on"), [("once", True), ("always", False)])
def test_a_test_that_fails_once_is_asked_about_nothing_and_one_that_always_fails_ends_it(
    tmp_path: Path, fails: str, goes_on: bool
) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").touch()
    (tmp_path / "toy" / "box.py").write_text(TOY)
    (tmp_path / "test_box.py").write_text(TOY_TESTS + UNSTEADY.format(fails=fails))
    record = tmp_path / "record.json"
    report = tmp_path / "report.json"
    for again in (False, True):  # the second time with what was kept of the first
        given = ("toy", "--root", str(tmp_path), "--tests", "test_box.py", "--record", str(record))
        done = run(*given, report=report)
        assert ("run again: test_box.py::test_unsteady" in done.stdout) == (not again), done.stdout + done.stderr
        assert record.exists() == goes_on
        if not goes_on:
            assert "the tests fail with all guards in place" in done.stderr
            return
        # It alone would notice that this guard is gone, if it were asked.
        (survived,) = json.loads(report.read_text())["survived"]
        assert survived.endswith("take [if] number < 1")


def test_every_excuse_is_for_a_guard_that_is_there() -> None:
    there = {
        guard.lasting_key
        for file in files_of(ROOT, list(TESTS)).values()
        for guard in guards_in(file.relative_to(ROOT).as_posix(), file.read_text())
    }
    assert set(excused_guards()) <= there


def test_every_guard_can_be_removed_and_watched() -> None:
    for file in files_of(ROOT, list(TESTS)).values():
        name, source = file.relative_to(ROOT).as_posix(), file.read_text()
        guards = guards_in(name, source)
        assert len({guard.key for guard in guards}) == len(guards)
        compile(watched(name, source), name, "exec")
        for guard in guards:
            tree = without(name, source, guard.key)
            compile(tree, name, "exec")
            assert ast.unparse(tree) != ast.unparse(ast.parse(source)), guard


if os.environ.get("SPACEKEY_GUARDS") == "long":

    @pytest.mark.parametrize("folder", TESTS)
    def test_every_guard_is_held_by_a_test(folder: str, tmp_path: Path) -> None:
        done = run(folder, "--tests", *TESTS[folder], "--seconds", "7200", report=tmp_path / "report.json")
        assert done.returncode == 0, done.stdout + done.stderr
