"""Bill of materials of a release (CycloneDX): what its wheel brings with every extra, at the tested versions."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from .build import extras_of
from .errors import ReleaseError


def write_bom(root: Path, wheel: Path, out: Path) -> Path:
    """Install the wheel with its extras into a new environment, and write what is in it. Return the file's path.

    :param out: the folder of the release.
    :raises ReleaseError: the packages could not be installed, or described.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "environment"
        venv.create(home, with_pip=True)
        python = home / "bin" / "python"
        constraint = ["--constraint", str(root / "constraints.txt")]
        wanted = f"{wheel}[{','.join(extras_of(root))}]"
        _run([str(python), "-m", "pip", "install", "--quiet", *constraint, wanted])
        _run([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools"])
        made = Path(folder) / "bom.json"
        options = ["--output-reproducible", "--of", "JSON", "--pyproject", str(root / "pyproject.toml")]
        _run([sys.executable, "-m", "cyclonedx_py", "environment", *options, "-o", str(made), str(python)])
        bom = json.loads(made.read_text(encoding="utf-8"))
    file = out / f"{wheel.name.split('-py3')[0]}.cdx.json"
    file.write_text(f"{json.dumps(without_paths(bom), indent=2, sort_keys=True)}\n", encoding="utf-8")
    return file


def without_paths(bom: dict[str, Any]) -> dict[str, Any]:
    """Return the bill without where its files were on this machine."""
    for one in [bom["metadata"].get("component", {}), *bom.get("components", ())]:
        kept = [each for each in one.get("externalReferences", ()) if not each["url"].startswith("file:")]
        one.pop("externalReferences", None)
        if kept:
            one["externalReferences"] = kept
    return bom


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        raise ReleaseError(f"{' '.join(command[:4])} … failed:\n{done.stdout}{done.stderr}")
