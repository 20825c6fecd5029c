"""The shipped ``spacekey serve`` in a process of its own: its sockets, and clients that open many or send nothing."""

from __future__ import annotations

import itertools
import json
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from spacekey.server.cli.common.run import USAGE
from support.processes import Installation, Process, started_process
from support.programs.sockets import socket_of

SECONDS_MAX = 300.0
DESCRIPTORS = 256
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_HEADER = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-"
HALF_A_BODY = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
UNSENT = {"nothing": b"", "headers": HALF_A_HEADER, "a body": HALF_A_BODY}
SMALL = (
    "import resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)); "
    "sys.argv[1:2] = []; from spacekey.server.cli import main; main()"
)
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives copies of another process's sockets")


@contextmanager
def served(
    folder: Path, *, host: str = "127.0.0.1", descriptors: int = 1_024, **settings: str
) -> Iterator[tuple[str, Process]]:
    """``spacekey serve`` under a descriptor limit; gives its address and its process."""
    extra = {f"SPACEKEY_{name.upper()}": value for name, value in settings.items()}
    installation = Installation(f"sqlite:///{folder / 'x.db'}", folder, extra=extra)
    command = [sys.executable, "-c", SMALL, str(descriptors), "serve", "--host", host, "--port", "0"]
    with started_process(command, installation.environ, folder, r"listens on (http://\S+)") as running:
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that waits for no one for long: its address, and the folder with its log."""
    folder = tmp_path_factory.mktemp("impatient")
    with served(folder, header_seconds="0.4", body_seconds="0.4", idle_seconds="0.4") as (url, _):
        yield url, folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server with few descriptors: its address, and the folder with its log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 3 * DESCRIPTORS)), hard))
    folder = tmp_path_factory.mktemp("small")
    with served(folder, descriptors=DESCRIPTORS) as (url, _):
        yield url, folder
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), SECONDS_MAX)


def answer(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    received = bytearray()
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return bytes(received)


def head(connection: socket.socket) -> bytes:
    """What comes first."""
    return connection.recv(65_536)


def log_lines(folder: Path) -> list[dict[str, object]]:
    lines = [line for file in folder.glob("*.log") for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


@only_linux
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_accepted_connection_is_without_nagles_algorithm(tmp_path: Path, host: str) -> None:
    with served(tmp_path, host=host) as (url, process):
        for _ in range(3):
            with connected(url) as connection:
                connection.sendall(GET)
                assert head(connection).startswith(b"HTTP/1.1 200 ")
                with socket_of(process.pid, connection) as other:
                    assert other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@only_linux
def test_the_example_app_has_it_off_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spacekey.examples.jobs", "--port", "0", "--remote", "http://127.0.0.1:9"]
    environ = Installation("sqlite://", tmp_path, extra={"JOBS_SPACEKEY_TOKEN": "x"}).environ
    with (
        started_process(command, environ, tmp_path, r"running on (http://\S+)") as (url, process),
        connected(url) as connection,
    ):
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert head(connection).startswith(b"HTTP/1.1 200 ")
        with socket_of(process.pid, connection) as other:
            assert other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_clients_that_send_nothing_more_are_not_held(impatient: tuple[str, Path]) -> None:
    url, folder = impatient
    with ExitStack() as stack:
        unsent: dict[str, list[socket.socket]] = {}
        for name in (*UNSENT, "a second request"):
            for _ in range(20):
                connection = stack.enter_context(connected(url))
                connection.sendall(
                    UNSENT.get(name, GET)
                )  # at once: one that has sent nothing yet is closed without a word
                unsent.setdefault(name, []).append(connection)
        said = {name: {answer(connection)[:13] for connection in found} for name, found in unsent.items()}
    assert said == {
        "nothing": {b""},
        "headers": {b"HTTP/1.1 408 "},
        "a body": {b"HTTP/1.1 408 "},
        "a second request": {b"HTTP/1.1 200 "},
    }
    late = [line for line in log_lines(folder) if line.get("route") == "/graphql"]
    assert {line["status"] for line in late} == {408}


@pytest.mark.parametrize("begun", [HALF_A_HEADER, HALF_A_BODY], ids=["headers", "a body"])
def test_a_trickle_is_no_progress(impatient: tuple[str, Path], begun: bytes) -> None:
    with connected(impatient[0]) as connection:
        connection.sendall(begun)
        connection.settimeout(0.02)
        said = b""
        for _ in range(3_000):
            try:
                said = connection.recv(65_536)
                break
            except TimeoutError:
                connection.sendall(b"x")
    assert said.startswith(b"HTTP/1.1 408 ")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("begun", UNSENT.values(), ids=UNSENT)
def test_more_connections_than_descriptors_lock_no_one_out(small: tuple[str, Path], begun: bytes) -> None:
    url, folder = small
    with ExitStack() as stack:
        for _ in range(2 * DESCRIPTORS):
            connection = stack.enter_context(connected(url))
            connection.sendall(begun)
        for path in ("/healthz", "/readyz") * 10:
            with httpx.Client(base_url=url, trust_env=False, timeout=SECONDS_MAX) as honest:
                assert honest.get(path).status_code == 200
    lines = [line for line in log_lines(folder) if line["level"] in ("warning", "error")]
    assert {str(line["logger"]) for line in lines} == {"spacekey.connections"}
    assert {re.sub(r"\d+", "N", str(line["message"])) for line in lines} == {
        "N connections are open; those that send nothing are closed"
    }
    times = [datetime.fromisoformat(str(line["at"])) for line in lines]
    assert all((later - earlier).total_seconds() >= 0.99 for earlier, later in itertools.pairwise(times))


@pytest.mark.long
def test_too_few_descriptors_stop_the_start_and_say_what_to_do(tmp_path: Path) -> None:
    for descriptors, settings, said in (
        (128, {}, r"may open 128 files and connections.*ulimit -n.*LimitNOFILE="),
        (512, {"SPACEKEY_CONNECTIONS": "400"}, r"SPACEKEY_CONNECTIONS: .*at most \d+.*LimitNOFILE="),
    ):
        environ = Installation(f"sqlite:///{tmp_path / 'x.db'}", tmp_path, extra=settings).environ
        command = [sys.executable, "-c", SMALL, str(descriptors), "serve", "--port", "0"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        assert done.returncode == USAGE
        assert re.search(said, " ".join(done.stderr.split())), done.stderr
        assert "Traceback" not in done.stderr
