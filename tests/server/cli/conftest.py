"""The command line in this process, on a fresh database."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from spacekey.resolvers.passwords import hashing
from support.cli import Cli
from support.databases import sqlite_database


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Commands hash passwords at the least cost there is; what they cost in use is tested with the hashing itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "PasswordHasher", partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def cli(sqlite_template: Path, tmp_path: Path) -> Cli:
    """On a migrated, empty SQLite file."""
    return Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, sqlite_template)})


@pytest.fixture(scope="session")
def demo_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the demo in it, to be copied. Under xdist the workers share one."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    file, made = folder / "demo.db", folder / "demo.made"
    with made.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            draft = own / "demo-draft.db"
            shutil.copyfile(sqlite_template, draft)
            Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{draft}"})("demo")
            draft.rename(file)
    return file


@pytest.fixture
def filled(demo_template: Path, tmp_path: Path) -> Cli:
    """With the demo in it."""
    return Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, demo_template)})


@pytest.fixture
def missing(tmp_path: Path) -> Cli:
    """On a database that is not there."""
    return Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/none.db"})
