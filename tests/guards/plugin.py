"""A pytest plugin that imports chosen modules with a guard removed, or with all guards watched.

It is steered by the environment, so that it works in every process that pytest starts with ``-p guards.plugin``.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from .find import FIRED, HELD_BACK, files_of, watched, without

ROOT = Path(__file__).parents[2]
FOLDERS = "GUARDS_FOLDERS"
"""The folders to watch, separated by commas."""
REMOVED = "GUARDS_REMOVED"
"""The key of the guard to remove; without it, all are watched."""
RECORD = "GUARDS_RECORD"
"""Where the watching process writes what it saw."""


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text()
        return compile(_tree(Path(self.path), source), self.path, "exec", dont_inherit=True)


def _tree(file: Path, source: str) -> ast.Module:
    name, removed = file.relative_to(_root()).as_posix(), os.environ.get(REMOVED)
    if removed is None:
        return watched(name, source)
    return without(name, source, removed) if removed.startswith(f"{name}:") else ast.parse(source)


def _root() -> Path:
    return Path(os.environ.get("GUARDS_ROOT", ROOT))


class _Finder(MetaPathFinder):
    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        if file is None:
            return None
        places = [str(file.parent)] if file.name == "__init__.py" else None
        loader = _Loader(fullname, str(file))
        return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)


_refused: dict[str, set[str]] = defaultdict(set)
_seconds: dict[str, float] = defaultdict(float)
_failed: set[str] = set()


def _told(key: str, refuses: bool) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST")
    if refuses and test is not None:
        _refused[key].add(test.rpartition(" ")[0])


def _fired(key: str, value: object) -> object:
    _told(key, bool(value))
    return value


def _held_back(key: str, value: object) -> object:
    _told(key, not value)
    return value


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before anything of ours is imported, as the conftest files of the chosen folders do."""
    setattr(builtins, FIRED, _fired)
    setattr(builtins, HELD_BACK, _held_back)
    folders = [one for one in os.environ[FOLDERS].split(",") if one]
    sys.meta_path.insert(0, _Finder(files_of(_root(), folders)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """How long each test takes, so that quick ones can be asked first, and which fail."""
    _seconds[report.nodeid] += report.duration
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write which test saw which guard refuse."""
    record = os.environ.get(RECORD)
    if record is not None:
        seen = {key: sorted(tests) for key, tests in _refused.items()}
        Path(record).write_text(json.dumps({"refused": seen, "seconds": _seconds, "failed": sorted(_failed)}))
