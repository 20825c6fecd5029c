"""The wheel alone, in an empty folder: one command serves, and a token is created, verified and revoked."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from release.pythons import VERSIONS, interpreter
from support.first_use import create_verify_revoke
from support.processes import started
from support.programs.environ import without_settings

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user of this machine with a home of its own, and no settings."""
    (tmp_path / "home").mkdir()
    kept = {name: value for name, value in without_settings().items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    own = {
        "HOME": str(tmp_path / "home"),
        "UV_CACHE_DIR": str(ROOT / "build" / "uv"),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "UV_CONSTRAINT": str(ROOT / "constraints.txt"),
    }
    return {**kept, **own, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}"}


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def use(command: str, environ: dict[str, str], folder: Path, said: Path) -> None:
    """Serve the demo by this command, and do with it what one does first."""
    shell = ["/bin/sh", "-c", f"exec {command} demo --serve --port 0 --json >&2"]
    with started(shell, environ, said, r"(http://127\.0\.0\.1:\d+)", cwd=folder) as url:
        [log] = said.iterdir()
        secret = re.search(r'"secret": "(\w+)"', log.read_text())
        assert secret is not None
        create_verify_revoke(url, secret[1])
    assert [one.name for one in folder.iterdir()] == ["data"]


RUNNERS = {"uvx": "uvx --from {wheel} spacekey", "pipx": "pipx run --spec {wheel} spacekey"}


@pytest.mark.parametrize("runner", RUNNERS)
def test_one_command_serves_from_the_wheel_in_an_empty_folder(
    runner: str, built: tuple[Path, Path], environ: dict[str, str], empty: Path, tmp_path: Path
) -> None:
    if shutil.which(runner, path=environ["PATH"]) is None:
        pytest.skip(f"{runner.upper()} IS NOT HERE: install the group release")
    use(RUNNERS[runner].format(wheel=shlex.quote(f"{built[1]}[server]")), environ, empty, tmp_path / "said")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_serves_on_every_python_that_is_here(
    version: str, built: tuple[Path, Path], environ: dict[str, str], empty: Path, tmp_path: Path
) -> None:
    """First without the extra: only Starlette comes along, and the command line says what else to install."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"NO PYTHON {version} ON THIS MACHINE: the wheel was not tried on it")
    home = tmp_path / "environment"
    subprocess.run([str(python), "-m", "venv", str(home)], check=True, timeout=300)

    def install(what: str) -> None:
        command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", what]
        subprocess.run(command, env=environ, check=True, timeout=600)

    program = str(home / "bin" / "spacekey")
    install(str(built[1]))
    bare = subprocess.run([program], env=environ, cwd=empty, capture_output=True, text=True, check=False, timeout=300)
    assert bare.returncode == 1
    assert re.fullmatch(
        r"The command line needs '\w+', which is not installed: pip install 'spacekey\[server\]'\n", bare.stderr
    )
    used = (
        "from spacekey import TokenMiddleware, MemoryLimiter, requires; from spacekey.verifiers import MemoryVerifier"
    )
    subprocess.run([str(home / "bin" / "python"), "-c", used], cwd=empty, check=True, timeout=300)
    install(f"{built[1]}[server]")
    use(shlex.quote(program), environ, empty, tmp_path / "said")
