"""Real processes: the server, the command line, and the example app, each started and stopped by its process id."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

START_SECONDS_MAX = 600.0
STOP_SECONDS_MAX = 120.0
COMMAND_SECONDS_MAX = 600.0
LOOK_AGAIN_SECONDS = 0.05

OWNER_EMAIL = "owner@example.com"
OWNER_PASSWORD = "nine lamps beside the river"

_CLI = (sys.executable, "-c", "from spacekey.server.cli import main; main()")
_JOBS = (sys.executable, "-m", "spacekey.examples.jobs")


@dataclass
class Installation:
    """A database, catalogs, and the programs that work on them.

    :param folder: where the processes write what they say.
    """

    database_url: str
    folder: Path
    catalogs: Sequence[Path] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """What the programs see of the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SPACEKEY_")}
        own = {
            "SPACEKEY_DATABASE_URL": self.database_url,
            "SPACEKEY_OWNER_EMAIL": OWNER_EMAIL,
            "SPACEKEY_OWNER_PASSWORD": OWNER_PASSWORD,
        }
        if self.catalogs:
            own["SPACEKEY_CATALOGS"] = ",".join(str(path) for path in self.catalogs)
        return {**kept, **own, **self.extra}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``spacekey`` with these arguments, to its end."""
        return subprocess.run(
            [*_CLI, *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

    def command(self, *arguments: str) -> Any:
        """The same with ``--json``; gives what it printed."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The server on a free port, ready; gives its address."""
        command = [*_CLI, "serve", "--host", "127.0.0.1", "--port", "0"]
        with started(command, self.environ, self.folder, r"listens on (http://\S+)") as url:
            _wait_ready(f"{url}/readyz")
            yield url

    @contextmanager
    def jobs_app(
        self,
        *,
        remote: str | None = None,
        token: str = "",
        environment: str | None = None,
        fastapi: bool = False,
        limits: str | None = None,
        processes: int = 1,
        host: str | None = None,
    ) -> Iterator[str]:
        """The example app, asking a running server, or the database itself when ``remote`` is None."""
        store = ["--store", *(f"--catalog={path}" for path in self.catalogs)]
        source = store if remote is None else ["--remote", remote]
        chosen = [
            *source,
            *("--deadline", "20"),  # a busy machine must not turn answers into 503
            *(["--environment", environment] if environment else ()),
            *(["--fastapi"] if fastapi else ()),
            *(["--host", host] if host else ()),
            *(["--limits", limits, "--processes", str(processes)] if limits else ()),
        ]
        environ = {**self.environ, "JOBS_SPACEKEY_TOKEN": token}
        with started([*_JOBS, "--port", "0", *chosen], environ, self.folder, r"running on (http://\S+)") as url:
            _wait_ready(f"{url}/health")
            yield url


@dataclass(frozen=True, slots=True)
class Running:
    """A running server."""

    installation: Installation
    url: str
    demo: dict[str, Any]

    def workspace(self, catalog: str) -> dict[str, Any]:
        """The demo's workspace of a catalog: its id, slug and spaces."""
        found: dict[str, Any] = next(one for one in self.demo["workspaces"] if one["catalog"] == catalog)
        return found


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, announced: str, *, cwd: Path | None = None
) -> Iterator[str]:
    """A process until the block ends; gives the address it announces on standard error."""
    with started_process(command, environ, folder, announced, cwd=cwd) as (address, _):
        yield address


@contextmanager
def serving_process(installation: Installation, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """One more server, and its process, for tests that stop or kill it."""
    command = [*_CLI, "serve", "--host", "127.0.0.1", "--port", str(port)]
    with started_process(command, installation.environ, installation.folder, r"listens on (http://\S+)") as running:
        _wait_ready(f"{running[0]}/readyz")
        yield running


@contextmanager
def started_process(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, announced: str, *, cwd: Path | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process until the block ends: the address it announces on standard error, and the process."""
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / f"process-{time.monotonic_ns()}.log"
    with said.open("wb") as stderr:
        process = subprocess.Popen(command, env=environ, cwd=cwd, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        yield _address(process, said, announced), process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _address(process: subprocess.Popen[bytes], said: Path, announced: str) -> str:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        found = re.search(announced, said.read_text(errors="replace"))
        if found is not None:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(LOOK_AGAIN_SECONDS)
    raise AssertionError(f"it did not start:\n{said.read_text(errors='replace')}")


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    answer = "nothing"
    while time.monotonic() < deadline:
        try:
            response = httpx.get(url, trust_env=False)
        except httpx.TransportError as error:
            answer = repr(error)
        else:
            if response.status_code == 200:
                return
            answer = response.text
        time.sleep(LOOK_AGAIN_SECONDS)
    raise AssertionError(f"{url} is not ready: {answer}")
