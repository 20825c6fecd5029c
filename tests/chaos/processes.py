"""Processes of a race, which are started, killed, suspended and restarted by their process ids."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
END_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.01


class Processes:
    """Processes by name.

    :param fork_server: what makes them; see :mod:`chaos.fork_server`.
    :param folder: where each writes what it has to say.
    :param commands: what each runs: ``module:function`` and arguments.
    """

    def __init__(self, fork_server: subprocess.Popen[str], folder: Path, commands: Mapping[str, Sequence[str]]) -> None:
        self._fork_server = fork_server
        self._folder = folder
        self._commands = commands
        self._running: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        """Processes that ended without being asked to, with their exit codes."""

    def start(self, name: str, *more: str) -> None:
        """Start it, with more arguments, unless it runs."""
        if name in self._running:
            return
        self.ended.pop(name, None)
        self._running[name] = self._ask({"start": [*self._commands[name], *more], "log": str(self.log(name))})

    def kill(self, name: str) -> None:
        """Kill it with ``kill -9``, and wait for its end."""
        pid = self._running.pop(name, None)
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        self._wait(name, pid)

    def join(self, name: str, seconds: float = 0.0) -> int:
        """Wait until it has ended by itself, which may take so long and some more; gives its exit code."""
        return self._wait(name, self._running.pop(name), seconds)

    def send(self, name: str, what: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        pid = self._running.get(name)
        if pid is not None:
            os.kill(pid, what)

    def look(self) -> None:
        """Note the processes that ended by themselves."""
        for name, pid in list(self._running.items()):
            code = self._ask({"look": pid})
            if code is not None:
                del self._running[name]
                self.ended[name] = code

    def end(self) -> None:
        """Kill all processes."""
        for name in list(self._running):
            self.kill(name)

    def log(self, name: str) -> Path:
        """Return the file with its output, over all its restarts."""
        return self._folder / f"{name}.log"

    def _wait(self, name: str, pid: int, seconds: float = 0.0) -> int:
        deadline = time.monotonic() + seconds + END_SECONDS_MAX
        while (code := self._ask({"look": pid})) is None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                raise RuntimeError(f"{name} did not end")
            time.sleep(LOOK_SECONDS)
        return int(code)

    def _ask(self, what: dict[str, Any]) -> Any:
        pipe, answers = self._fork_server.stdin, self._fork_server.stdout
        if pipe is None or answers is None:
            raise RuntimeError("the fork server has no pipes")
        pipe.write(f"{json.dumps(what)}\n")
        pipe.flush()
        return json.loads(answers.readline())


@contextmanager
def process_group(folder: Path, commands: Mapping[str, Sequence[str]], extra: Mapping[str, str]) -> Iterator[Processes]:
    """Processes that do not outlive the block, with these variables besides our own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPACEKEY_")}
    path = os.pathsep.join([*([kept["PYTHONPATH"]] if "PYTHONPATH" in kept else []), str(TESTS)])
    with (
        (folder / "fork_server.log").open("ab") as said,
        subprocess.Popen(
            [sys.executable, "-m", "chaos.fork_server"],
            env={**kept, **extra, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as fork_server,
    ):
        members = Processes(fork_server, folder, commands)
        try:
            yield members
        finally:
            members.end()
            if fork_server.stdin is not None:
                fork_server.stdin.close()
            fork_server.wait(END_SECONDS_MAX)
