"""The packages listed for the build are the folders that are there: an editable install notices none missing."""

from __future__ import annotations

import tomllib
from pathlib import Path

from .test_imports import FOLDERS, OWN

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("dashboard", "examples")


def test_every_package_is_listed_for_the_build() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    inits = [path for folder in (*FOLDERS, *BESIDE) for path in (ROOT / folder).rglob("__init__.py")]
    there = {".".join((OWN, *path.relative_to(ROOT).parent.parts)) for path in inits}
    assert there
    assert set(listed) == there
    assert len(listed) == len(set(listed))
