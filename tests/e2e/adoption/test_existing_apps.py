"""Existing apps take Spacekey in with at most five added lines, and their own tests go on passing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
APPS = sorted(path.stem for path in (HERE / "apps").glob("*.py"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the apps' packages and this repository's Spacekey, without its server."""
    folder = tmp_path_factory.mktemp("adoption")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "-r", HERE / "requirements.txt"], capture_output=True, text=True, timeout=540, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"the apps' packages cannot be installed here: {done.stderr[-300:]}")
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "spacekey").mkdir()
    for part in [*(ROOT / "spacekey").glob("*.py"), *(ROOT / name for name in ("domain", "middleware"))]:
        (site / "spacekey" / part.name).symlink_to(part)
    return python


@pytest.mark.parametrize("name", APPS)
def test_an_app_takes_it_in_and_stays_as_it_is(name: str, python: Path, tmp_path: Path) -> None:
    app = tmp_path / f"{name}.py"
    shutil.copy(HERE / "apps" / app.name, app)
    done = subprocess.run(
        [python, HERE / "run_app.py", app], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_users_of_fastapi_users_and_tokens_call_one_route(python: Path, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    shutil.copy(HERE / "apps" / "fastapi_users_app.py", app)
    page = ROOT / "docs" / "how-to" / "two-kinds-of-callers.md"
    command = [python, HERE / "run_two_kinds.py", app, page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
