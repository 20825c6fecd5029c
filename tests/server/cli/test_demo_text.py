"""``spacekey demo``: what it prints to be pasted works when it is pasted."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spacekey.server.cli.common.run import program_called
from support.cli import Cli
from support.programs.environ import without_settings

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.long

WAIT_SECONDS = 600
SYSTEM_PATH = "/usr/bin:/bin"
"""A shell in which no virtual environment was activated."""


def shell(folder: Path, line: str, path: str = SYSTEM_PATH) -> str:
    """What a line prints when somebody pastes it in this folder."""
    kept = without_settings()
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**kept, "PATH": path},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=["", "examples/emit.toml"], ids=["workspace", "space"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What was set as products, and a database that a first run filled, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    products = str(request.param)
    Cli(
        {
            "SPACEKEY_DATABASE_URL": f"sqlite:///{folder}/first.db",
            "SPACEKEY_PRODUCTS": products and f"{ROOT / products}",
        }
    )("demo")
    return products, folder / "first.db"


@pytest.mark.parametrize("path", [SYSTEM_PATH, f"{Path(sys.prefix) / 'bin'}:{SYSTEM_PATH}"], ids=["plain", "activated"])
def test_the_second_run_prints_how_to_make_a_token_with_the_scopes_of_the_first(
    tmp_path: Path, path: str, made: tuple[str, Path]
) -> None:
    products, first_run = made
    (tmp_path / "data").mkdir()
    shutil.copyfile(first_run, tmp_path / "data" / "spacekey.db")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    program, settings = ".venv/bin/spacekey", f"export SPACEKEY_PRODUCTS={products};"
    printed = shell(tmp_path, f"{settings} {program} demo", path)
    command = re.search(r"^ *(export TOKEN=.*)$", printed, re.MULTILINE)
    assert command is not None, printed
    assert len(shell(tmp_path, f"{settings} {command[1]}\nprintf %s $TOKEN", path)) > 40
    home = "emit-demo" if products else "spooled-demo"
    again, first = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/data/spacekey.db"}).lines(
        "token", "list", "-w", home
    )
    assert first["name"] == "Demo management"
    assert (again["grants"], again["space_id"]) == (first["grants"], first["space_id"])


def test_the_program_is_called_by_name_where_the_name_finds_it(tmp_path: Path) -> None:
    ours, other = tmp_path / ".venv" / "bin" / "spacekey", tmp_path / "other" / "spacekey"
    for one in (ours, other):
        one.parent.mkdir(parents=True)
        one.touch()

    def called(found: Path | None, argv0: str = ".venv/bin/spacekey", here: Path = tmp_path) -> str:
        return program_called(argv0, str(ours.with_name("python")), None if found is None else str(found), here)

    assert called(ours) == "spacekey"
    assert called(None) == called(None, str(ours)) == called(None, "-c") == ".venv/bin/spacekey"
    assert called(other) == ".venv/bin/spacekey", "another installation's would work on other code"
    assert called(None, here=tmp_path / "other") == str(ours)


def test_a_program_that_nobody_finds_is_called_by_its_name(tmp_path: Path) -> None:
    assert program_called("-c", str(tmp_path / "python"), None, tmp_path) == "spacekey"


def test_a_folder_with_a_blank_is_quoted(tmp_path: Path) -> None:
    ours = tmp_path / "my tools" / "spacekey"
    ours.parent.mkdir()
    ours.touch()
    assert program_called("-c", str(ours.with_name("python")), None, tmp_path) == "'my tools/spacekey'"
