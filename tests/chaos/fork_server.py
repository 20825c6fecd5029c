"""Fork server: a process with all modules imported that forks others, so that a restart does not wait for imports.

It reads commands, a line of JSON each, from standard input and answers each with a line on standard output:
``{"start": ["module:function", "argument", …], "log": "path"}`` → the process id;
``{"look": pid}`` → its exit code, or null while it runs. Nothing is reaped that was not looked at, so a process id
stays what it was until then. It ends, and what it made with it, when its input does.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from spacekey.server import app as app  # what a server loads when it starts

from . import killed_writers as killed_writers
from . import managing as managing
from . import sqlite_work as sqlite_work
from . import verifying as verifying


def main() -> None:
    """Serve commands until the input ends."""
    made: set[int] = set()
    try:
        for line in sys.stdin:
            asked = json.loads(line)
            if "start" in asked:
                answer: int | None = _start(asked["start"], asked["log"])
                made |= {answer} if answer else set()
            else:
                answer = _look(asked["look"])
                made -= {asked["look"]} if answer is not None else set()
            sys.stdout.write(f"{json.dumps(answer)}\n")
            sys.stdout.flush()
    finally:
        for pid in made:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _start(command: list[str], log: str) -> int:
    pid = os.fork()
    if pid == 0:
        _become(command, log)
    return pid


def _look(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _become(command: list[str], log: str) -> NoReturn:
    code = 1
    try:
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(ours, theirs)
        sys.argv = command
        module, _, function = command[0].partition(":")
        run: Callable[[], None] = getattr(importlib.import_module(module), function)
        run()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
        if isinstance(error.code, str):
            sys.stderr.write(error.code)
    except BaseException:  # noqa: BLE001 - this is where the process ends
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
