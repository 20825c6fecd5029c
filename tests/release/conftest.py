"""The archives of a release, built once from the tree as it is."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release.build import Release, build

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def release() -> Release:
    """A release of the present version, from a repository that is published somewhere."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return Release(version, "https://git.example/spacekey", int(datetime(2026, 11, 30, tzinfo=UTC).timestamp()))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, release: Release) -> tuple[Path, Path]:
    """The sdist and the wheel."""
    if not (ROOT / ".git").exists():
        pytest.skip("RELEASE NOT BUILT: this is no git repository")
    return build(ROOT, tmp_path_factory.mktemp("dist"), release)
