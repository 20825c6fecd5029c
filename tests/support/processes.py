"""Real processes: the server, the command line, and the example app, each started and stopped by its process id.

In a short run they are forked from a process that has imported them (:mod:`forked`); in a whole run, and wherever else
this is used, each is an interpreter of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import httpx

from support.programs.forked import Forked, ForkServer, is_possible

START_SECONDS_MAX = 600.0
STOP_SECONDS_MAX = 120.0
COMMAND_SECONDS_MAX = 600.0
LOOK_AGAIN_SECONDS = 0.05

OWNER_EMAIL = "owner@example.com"
OWNER_PASSWORD = "nine lamps beside the river"


class Process(Protocol):
    """A running program."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code when it has ended, within so many seconds."""
        ...

    def send_signal(self, what: int, /) -> None:
        """Send it a signal."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


_fork_servers: list[ForkServer] = []


@contextmanager
def forking() -> Iterator[None]:
    """Start programs of ours by forking while the block runs."""
    server = ForkServer()
    _fork_servers.append(server)
    try:
        yield
    finally:
        _fork_servers.remove(server)
        server.close()


def fork_socket(environ: Mapping[str, str]) -> str | None:
    """Return the socket of the server that forks programs with this environment; None to start them by themselves."""
    if not _fork_servers or not is_possible(environ):
        return None
    return _fork_servers[-1].socket()


def start(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path | None = None,
    stdout: int | IO[Any] = subprocess.DEVNULL,
    stderr: int | IO[Any] = subprocess.DEVNULL,
) -> Process:
    """Start a program, forked where that is possible."""
    socket = fork_socket(environ) if command[0] == sys.executable else None
    if socket is None:
        return subprocess.Popen(command, env=environ, cwd=cwd, stdout=stdout, stderr=stderr)
    with Path(os.devnull).open("r+b") as nothing:
        inner, out, err = (
            one if isinstance(one, int) else one.fileno()
            for one in (nothing, *(nothing if one == subprocess.DEVNULL else one for one in (stdout, stderr)))
        )
        return Forked(socket, command[1:], environ, str(cwd or Path.cwd()), (inner, out, err))


_CLI = (sys.executable, "-c", "from spacekey.server.cli import main; main()")
_JOBS = (sys.executable, "-m", "spacekey.examples.jobs")


def run(
    command: Sequence[str], environ: Mapping[str, str], *, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A program to its end, with what it wrote."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start(command, environ, cwd=cwd, stdout=out, stderr=err)
        try:
            code = process.wait(COMMAND_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
        return subprocess.CompletedProcess(command, code, *texts)


@dataclass
class Installation:
    """A database, products, and the programs that work on them.

    :param folder: where the processes write what they say.
    """

    database_url: str
    folder: Path
    products: Sequence[Path] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """What the programs see of the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SPACEKEY_")}
        own = {
            "SPACEKEY_DATABASE_URL": self.database_url,
            "SPACEKEY_OPERATOR": "operator",
            "SPACEKEY_OWNER_EMAIL": OWNER_EMAIL,
            "SPACEKEY_OWNER_PASSWORD": OWNER_PASSWORD,
        }
        if self.products:
            own["SPACEKEY_PRODUCTS"] = ",".join(str(path) for path in self.products)
        return {**kept, **own, **self.extra}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``spacekey`` with these arguments, to its end."""
        return run([*_CLI, *arguments], self.environ)

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
        store = ["--store", *(f"--product={path}" for path in self.products)]
        source = store if remote is None else ["--remote", remote]
        chosen = [
            *source,
            *("--timeout", "20"),  # a busy machine must not turn answers into 503
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

    def workspace(self, product: str) -> dict[str, Any]:
        """The demo's workspace of a product: its id, slug and spaces."""
        found: dict[str, Any] = next(one for one in self.demo["workspaces"] if one["product"] == product)
        return found


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, announced: str, *, cwd: Path | None = None
) -> Iterator[str]:
    """A process until the block ends; gives the address it announces on standard error."""
    with started_process(command, environ, folder, announced, cwd=cwd) as (address, _):
        yield address


@contextmanager
def serving_process(installation: Installation, port: int = 0) -> Iterator[tuple[str, Process]]:
    """One more server, and its process, for tests that stop or kill it."""
    command = [*_CLI, "serve", "--host", "127.0.0.1", "--port", str(port)]
    with started_process(command, installation.environ, installation.folder, r"listens on (http://\S+)") as running:
        _wait_ready(f"{running[0]}/readyz")
        yield running


@contextmanager
def started_process(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, announced: str, *, cwd: Path | None = None
) -> Iterator[tuple[str, Process]]:
    """A process until the block ends: the address it announces on standard error, and the process."""
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / f"process-{time.monotonic_ns()}.log"
    with said.open("wb") as stderr:
        process = start(command, environ, cwd=cwd, stderr=stderr)
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


def _address(process: Process, said: Path, announced: str) -> str:
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
