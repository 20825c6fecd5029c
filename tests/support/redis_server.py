"""A real Redis in a temporary directory, on a Unix socket there; nothing of it is kept when it stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis

START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 60.0
LOOK_AGAIN_SECONDS = 0.02

MISSING = "NO REDIS: limits shared over Redis are NOT TESTED here; install redis-server (or valkey-server)"


def found() -> str | None:
    """Where the server is, if there is one."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def program() -> str:
    """Where the server is; skips the test, loudly, where there is none."""
    here = found()
    if here is None:
        pytest.skip(MISSING)
    return here


class RedisServer:
    """Redis server, which its creator must stop.

    :param options: more of ``redis-server``'s, such as ``--save 3600 1``.
    """

    def __init__(self, *options: str) -> None:
        self._program = program()
        self._home = Path(tempfile.mkdtemp(prefix="skrd"))
        self._options = options or ("--save", "")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._home / 'socket'}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._home / "log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *("--port", "0", "--unixsocket", str(self._home / "socket"), "--dir", str(self._home)),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start:\n{(self._home / 'log').read_text(errors='replace')}")
            time.sleep(LOOK_AGAIN_SECONDS)

    def wait_until_it_has_run_for(self, seconds: float) -> None:
        """By its own count, so that what it may have forgotten before it started no longer matters."""
        deadline = time.monotonic() + seconds + START_SECONDS_MAX
        with self.client() as client:
            while client.info("server")["uptime_in_seconds"] < seconds:
                assert time.monotonic() < deadline
                time.sleep(LOOK_AGAIN_SECONDS)

    def kill(self) -> None:
        """Kill it without notice to its clients (SIGKILL)."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(STOP_SECONDS_MAX)
        self._process = None

    def suspend(self) -> None:
        """It accepts connections and answers nothing (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and delete its files."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def client(self) -> redis.Redis:
        """A client for the test itself."""
        return redis.Redis.from_url(self.url, protocol=2)

    def answers(self) -> bool:
        """Whether it does."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _signal(self, how: signal.Signals) -> None:
        os.kill(self.pid, how)
