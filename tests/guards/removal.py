"""Remove guards one at a time, each in a process of its own, and ask the tests that saw the guard refuse.

First all chosen tests run once with every guard watched: a guard that refused in no test is held by none, and of the
others only the tests in which it refused can notice that it is gone. Processes are forked from one that has imported
what the tests need from elsewhere, so that one guard costs about as much as its tests.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .find import Guard, files_of, guards_in
from .plugin import FOLDERS, RECORD, REMOVED, ROOT

EXCUSED = Path(__file__).with_name("excused.toml")
"""Guards that no test can hold, each with the reason."""

_IMPORTED_BEFORE = (
    "aiosqlite", "alembic", "anyio", "argon2", "asyncpg", "email", "fastapi", "graphql", "httpx", "hypothesis",
    "hypothesis.strategies", "hypothesis.stateful", "rich", "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite", "sqlmodel", "strawberry", "strawberry.relay",
    "typer", "uvicorn",
)  # fmt: skip

_OPTIONS = (
    "-q", "-p", "guards.plugin", "-p", "no:cacheprovider", "-p", "no:xdist",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # of what was imported before
)  # fmt: skip


@dataclass
class Survey:
    """What was found. Each guard is in one of the lists."""

    noticed: list[Guard] = field(default_factory=list)
    survived: list[Guard] = field(default_factory=list)
    never_refused: list[Guard] = field(default_factory=list)
    excused: list[Guard] = field(default_factory=list)
    untried: list[Guard] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every guard is held by a test, or excused."""
        return not (self.survived or self.never_refused or self.untried)

    def json(self) -> str:
        """Everything, for other programs."""
        return json.dumps({name: [_shown(guard) for guard in guards] for name, guards in vars(self).items()}, indent=1)

    def __str__(self) -> str:
        lines = [f"{len(guards)} {name.replace('_', ' ')}" for name, guards in vars(self).items()]
        for name in ("survived", "never_refused", "untried"):
            lines += [f"{name}: {_shown(guard)}" for guard in getattr(self, name)]
        return "\n".join(lines)


def _shown(guard: Guard) -> str:
    return f"{guard.file}:{guard.line} {guard.within} [{guard.kind}] {guard.text}"


def survey(
    folders: list[str],
    tests: list[str],
    *,
    select: str = "not postgresql",
    jobs: int = 2,
    seconds: float = 3_600.0,
    guard_seconds: float = 120.0,
    tests_max: int = 40,
    root: Path = ROOT,
    record: Path | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> Survey:
    """Try every guard below the folders.

    :param tests: what pytest is given; ``select`` is its ``-k``.
    :param seconds: after so long no guard is begun; the rest is ``untried``.
    :param guard_seconds: how long the tests of one guard may take; a guard whose tests hang was noticed.
    :param tests_max: the quickest of those in which it refused.
    :param record: where to keep which test saw which guard refuse; where it is there already, the tests are not run
        for it again.
    :raises RuntimeError: tests fail with all guards in place, each of them twice. One that fails once is unsteady, as
        on a busy machine, and is asked about nothing.
    """
    until = time.monotonic() + seconds
    for name in _IMPORTED_BEFORE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    os.environ["GUARDS_ROOT"] = str(root)
    os.environ[FOLDERS] = ",".join(folders)
    with tempfile.TemporaryDirectory() as folder:
        record = record or Path(folder) / "record.json"
        if not record.exists():
            _watch(root, ["-k", select, *tests], record, Path(folder), seconds, tell)
        seen = json.loads(record.read_text())
        return _tried(folders, root, seen, Path(folder), jobs, until, guard_seconds, tests_max, tell)


def _watch(
    root: Path, arguments: list[str], record: Path, folder: Path, seconds: float, tell: Callable[[str], None]
) -> None:
    """Run the tests with every guard watched."""
    log = folder / "watched.log"
    code = _wait(_forked(root, arguments, log, {RECORD: str(record)}), seconds)
    failed = json.loads(record.read_text())["failed"] if code == pytest.ExitCode.TESTS_FAILED else []
    if failed:
        tell(f"failed with all guards in place, and run again: {', '.join(failed)}")
        code = _wait(_forked(root, failed, log, {RECORD: str(folder / "again.json")}), seconds)
    if code != pytest.ExitCode.OK:
        record.unlink(missing_ok=True)
        raise RuntimeError(f"the tests fail with all guards in place:\n{_tail(log)}")


def _tried(
    folders: list[str],
    root: Path,
    seen: dict[str, Any],
    folder: Path,
    jobs: int,
    until: float,
    guard_seconds: float,
    tests_max: int,
    tell: Callable[[str], None],
) -> Survey:
    found, excuses = Survey(), excused_guards()
    running: dict[int, tuple[Guard, float, Path]] = {}
    took, unsteady = seen["seconds"], set(seen["failed"])
    refused = {key: [one for one in tests if one not in unsteady] for key, tests in seen["refused"].items()}
    waiting: list[tuple[Guard, list[str]]] = []
    for file in files_of(root, folders).values():
        name = file.relative_to(root).as_posix()
        for guard in guards_in(name, file.read_text()):
            tests = refused.get(guard.key)
            if guard.lasting_key in excuses:
                found.excused.append(guard)
            elif not tests:
                found.never_refused.append(guard)
            else:
                waiting.append((guard, sorted(tests, key=lambda one: float(took.get(one, 0)))[:tests_max]))
    while waiting or running:
        while waiting and len(running) < jobs:
            guard, tests = waiting.pop(0)
            if time.monotonic() > until:
                found.untried.append(guard)
                continue
            log = folder / f"{len(waiting)}.log"
            running[_forked(root, ["-x", *tests], log, {REMOVED: guard.key})] = (guard, time.monotonic(), log)
        _collect(found, running, guard_seconds, tell)
    return found


def _collect(
    found: Survey, running: dict[int, tuple[Guard, float, Path]], guard_seconds: float, tell: Callable[[str], None]
) -> None:
    for child, (guard, began, log) in list(running.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        late = time.monotonic() - began > guard_seconds
        if not ended and not late:
            continue
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        del running[child]
        code = 1 if not ended else os.waitstatus_to_exitcode(status)
        if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise RuntimeError(f"the tests of {_shown(guard)} were not found:\n{_tail(log)}")
        (found.survived if code == 0 else found.noticed).append(guard)
        tell(f"{'SURVIVED' if code == 0 else 'noticed'} {time.monotonic() - began:5.1f} s {_shown(guard)}")
    time.sleep(0.05)


def _forked(root: Path, arguments: list[str], log: Path, environment: dict[str, str]) -> int:
    """A child in a process group of its own, which runs pytest and ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setpgid(0, 0)
        os.chdir(root)
        os.environ.update(environment)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = int(pytest.main([*_OPTIONS, *arguments]))
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happens in it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])


def excused_guards() -> dict[str, str]:
    """The guards that need no test, by their lasting key, each with the reason."""
    return dict(tomllib.loads(EXCUSED.read_text())["excused"])
