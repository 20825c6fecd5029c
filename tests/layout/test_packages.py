"""The packages listed for the build are the folders that are there: an editable install notices none missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .test_imports import FOLDERS, OWN

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("dashboard", "examples")


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def test_every_folder_is_mapped_into_the_package() -> None:
    mapped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    assert mapped == {f"{OWN}.{folder}": folder for folder in (*FOLDERS, *BESIDE) if folder != OWN}


def test_every_package_is_listed_for_the_build() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    inits = [path for folder in (*FOLDERS, *BESIDE) for path in (ROOT / folder).rglob("__init__.py")]
    there = {OWN, *(".".join((OWN, *path.relative_to(ROOT).parent.parts)) for path in inits if folder_of(path) != OWN)}
    assert there
    assert set(listed) == there
    assert len(listed) == len(set(listed))


def test_the_version_is_read_when_it_is_asked_for() -> None:
    """Importing the package reads nothing; the version is the installed one's, also where it was not asked before."""
    program = (
        "import sys, spacekey; assert 'importlib.metadata' not in sys.modules; "
        "print(spacekey.__version__); assert 'importlib.metadata' in sys.modules"
    )
    asked = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=600,
        check=False,
    )
    assert asked.stdout.strip() == metadata.version("spacekey"), asked.stderr


def test_the_pythons_that_are_declared_are_told_alike() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert project["requires-python"] == f">={declared[0]}"
    for page in ("README.md", "CHANGELOG.md"):
        assert f"Python {declared[0]} to {declared[-1]}" in (ROOT / page).read_text(encoding="utf-8"), page


def test_the_pinned_versions_install_on_every_release_of_each_declared_python() -> None:
    """Debian 12 has Python 3.11.2: a pin that asks for 3.11.5 would make ``make test`` fail there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    asked = {
        f"{one.name}=={one.version}": SpecifierSet(str(one.metadata.json.get("requires_python", "")))
        for one in metadata.distributions()
        if canonicalize_name(one.name) in pinned
    }
    assert len(asked) > 100
    refusing = {
        name: str(pythons) for name, pythons in asked.items() if not all(f"{one}.0" in pythons for one in declared)
    }
    assert refusing == {}
