"""Programs of ours started by a process that has imported them before (:mod:`fork_server`), one for each test process.

Run as a program, ``forked.py SOCKET ARGUMENT…`` is such a program to the shell that started it.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

START_SECONDS_MAX = 600.0
LOOK_AGAIN_SECONDS = 0.02
OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG")
"""Variables that Python reads when it starts: a program with others than ours is started by itself."""


class Forked:
    """A running program, with the methods of ``subprocess.Popen`` that tests use."""

    def __init__(
        self, path: str, python: Sequence[str], environ: Mapping[str, str], cwd: str, streams: tuple[int, int, int]
    ) -> None:
        document = json.dumps({"python": list(python), "environ": dict(environ), "cwd": cwd}).encode()
        self._answers = socket.socket(socket.AF_UNIX)
        self._answers.connect(path)
        socket.send_fds(self._answers, [len(document).to_bytes(8, "big")], streams)
        self._answers.sendall(document)
        self._text = b""
        self.returncode: int | None = None
        self.pid = int(self._line(None) or 0)
        if not self.pid:
            raise RuntimeError("the fork server started nothing")

    def poll(self) -> int | None:
        """Return the exit code, or None while the program runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the program has ended.

        :param timeout: seconds.
        :raises subprocess.TimeoutExpired: it has not ended by then.
        """
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, what: int) -> None:
        """Send the program a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, what)

    def terminate(self) -> None:
        """Ask the program to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the program."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            line = self._line(seconds)
            if line is not None:
                self.returncode = int(line)
                self._answers.close()
        return self.returncode

    def _line(self, seconds: float | None) -> bytes | None:
        deadline = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._text:
            # Never 0.0, which would make the socket one that does not wait and raises BlockingIOError.
            self._answers.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
            try:
                part = self._answers.recv(64)
            except TimeoutError:
                if deadline is not None and time.monotonic() >= deadline:
                    return None
                continue
            if not part:
                raise RuntimeError("the fork server ended")
            self._text += part
        line, _, self._text = self._text.partition(b"\n")
        return line


class ForkServer:
    """The server, which starts when it is first asked for."""

    def __init__(self) -> None:
        self._started: _Started | None = None

    def socket(self) -> str:
        """Return the path of its socket, once it listens.

        :raises RuntimeError: it does not start; what it said is in the message.
        """
        if self._started is None:
            self._started = _Started()
        self._started.wait_ready()
        return self._started.socket

    def close(self) -> None:
        """End it; what it started is killed."""
        if self._started is not None:
            self._started.close()
            self._started = None


class _Started:
    def __init__(self) -> None:
        self._ready = False
        self._folder = tempfile.TemporaryDirectory(prefix="skfork")
        self.socket = str(Path(self._folder.name) / "socket")
        program = Path(__file__).with_name("fork_server.py")
        self._said = Path(self._folder.name) / "said"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(program), self.socket],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        if self._ready:
            return
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fork server did not start:\n{self._said.read_text(errors='replace')}")
            time.sleep(LOOK_AGAIN_SECONDS)
        self._ready = True

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(START_SECONDS_MAX)
        self._folder.cleanup()

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.socket)
            except OSError:
                return False
        return True


def is_possible(environ: Mapping[str, str]) -> bool:
    """Return whether a program with this environment can be forked: on Linux, in an interpreter set up as ours is."""

    def own(variables: Mapping[str, str]) -> dict[str, str]:
        kept = {name: text for name, text in variables.items() if name.startswith(OF_THE_INTERPRETER)}
        kept.pop("PYTHONPATH", None)
        return kept

    return sys.platform == "linux" and own(environ) == own(os.environ)


def write_program(file: Path, path: str, *python: str) -> None:
    """Write a program for shells that has Python do this, with the program's own arguments after it.

    :param path: the server's socket.
    """
    words = [sys.executable, "-S", "-E", str(Path(__file__)), path, *python]
    file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    file.chmod(0o755)


def main(path: str, python: Sequence[str]) -> int:
    """Be the program to a shell."""
    program = Forked(path, python, os.environ, str(Path.cwd()), (0, 1, 2))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda one, _: os.kill(program.pid, one))
    code = program.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
