"""The packages listed for the build are the folders that are there: an editable install notices none missing."""

from __future__ import annotations

import tomllib
from pathlib import Path

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
