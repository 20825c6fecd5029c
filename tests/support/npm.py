"""Packages of npm that tests run: installed by name once, into build/, and kept between runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"
INSTALL_SECONDS_MAX = 900
_COPIED = {".mjs", ".mts", ".js", ".ts", ".cjs", ".json", ".graphql"}


class NpmMissing(Exception):
    """What is missing, for the reason of a skip."""


def npm_folder(source: Path, name: str) -> Path:
    """Return a folder with the scripts of ``source`` and the packages that its package.json names.

    :raises NpmMissing: there is no npm, or it could not install them.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NpmMissing("node and npm are needed; install them")
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    for script in source.iterdir():
        if script.suffix in _COPIED:
            shutil.copy(script, folder / script.name)
    wanted = (source / "package.json").read_text("utf-8")
    installed = folder / "installed.json"
    if not installed.is_file() or installed.read_text("utf-8") != wanted:
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
        if done.returncode != 0:
            raise NpmMissing("npm could not install its packages from the registry")
        installed.write_text(wanted, "utf-8")
    return folder
