"""What ``make test`` leaves out or shortens, another command runs whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WHOLE_FOLDERS = {"model_checking", "support"}
"""Folders that ``make test-rest`` runs again as a whole, and the helpers'."""

MODULES = [file for file in sorted(TESTS.rglob("*.py")) if file.relative_to(TESTS).parts[0] not in WHOLE_FOLDERS]


def test_a_module_that_runs_fewer_cases_has_tests_that_run_again() -> None:
    shortened = [file for file in MODULES if re.search(r"\bvolume\(", file.read_text())]
    assert len(shortened) > 5
    assert [str(file) for file in shortened if "@pytest.mark.repeats" not in file.read_text()] == []


@pytest.mark.parametrize("folder", ["chaos", "guards"])
def test_a_command_for_long_tests_does_not_skip_them(folder: str) -> None:
    modules = list((TESTS / folder).glob("test_*.py"))
    assert all("pytest.mark.long" in file.read_text() for file in modules)
    [line] = [line for line in (TESTS.parent / "Makefile").read_text().splitlines() if f"tests/{folder}" in line]
    assert " -m long " in line


def collected(tests: str) -> list[str]:
    """The tests that pytest takes from a file with a sampled matrix, by this value of ``SPACEKEY_TESTS``."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", SAMPLED]
    environ = {**os.environ, "SPACEKEY_TESTS": tests}
    done = subprocess.run(command, cwd=TESTS.parent, env=environ, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


SAMPLED = "tests/server/cli/test_tables.py"


@pytest.mark.long
def test_a_matrix_that_is_sampled_has_its_other_cases_in_the_other_half() -> None:
    short, rest, whole = collected(""), collected("rest"), collected("all")
    assert 0 < len(short) < len(whole) / 2
    assert sorted([*short, *rest]) == sorted(whole)
    assert {one.partition("[")[0] for one in short} == {one.partition("[")[0] for one in whole}
