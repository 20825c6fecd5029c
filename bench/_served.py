"""Apps in processes of their own, served by ``uvicorn`` on 127.0.0.1, and plain sockets to ask them over."""

import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ._turns import ROOT, borrow_from_tests

START_SECONDS_MAX = 60
UVICORN = (
    *(sys.executable, "-m", "uvicorn", "--factory", "--host", "127.0.0.1", "--port", "0"),
    *("--timeout-keep-alive", "600"),  # a connection waits while others are measured
)
END_OF_HEAD = b"\r\n\r\n"


@contextmanager
def served(factory: str, **environ: str) -> Iterator[tuple[str, int]]:
    """The address of the app that ``factory`` (``module:name``) makes, run by ``uvicorn`` as users run it.

    :param environ: variables for its process, besides this one's.
    """
    borrow_from_tests()
    from support.processes import started

    with (
        tempfile.TemporaryDirectory() as folder,
        started(
            (*UVICORN, factory), {**os.environ, **environ}, Path(folder), r"running on (http://\S+)", cwd=ROOT
        ) as url,
    ):
        yield address_of(url)


@contextmanager
def connected(address: tuple[str, int], count: int, source: str | None = None) -> Iterator[list[socket.socket]]:
    """So many kept-open connections.

    :param source: the address they come from.
    """
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(connection_to(address, source)) for _ in range(count)]


def connection_to(address: tuple[str, int], source: str | None = None) -> socket.socket:
    """One connection, without Nagle's delay."""
    connection = socket.create_connection(address, START_SECONDS_MAX, None if source is None else (source, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def get(path: str, token: str) -> bytes:
    """The bytes of a GET with a Bearer token."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    return f"{head}Authorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, media_type: str, body: str, token: str | None = None) -> bytes:
    """The bytes of a POST, with a Bearer token or without credentials."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    head += "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"{head}Content-Type: {media_type}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()


def address_of(url: str) -> tuple[str, int]:
    """The address of a server on this machine that says where it listens: ``http://127.0.0.1:8000``."""
    found = re.fullmatch(r"http://([0-9.]+):(\d+)", url)
    if found is None:
        raise RuntimeError(f"no address: {url}")
    return found[1], int(found[2])


def status_of_response(connection: socket.socket) -> int:
    """The status of the next response, which is read to its end by its ``Content-Length``."""
    answer = b""
    while END_OF_HEAD not in answer:
        answer += _more(connection)
    head, _, body = answer.partition(END_OF_HEAD)
    fields = (line.split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = next((int(value) for name, value in fields if name.lower() == b"content-length"), 0)
    while len(body) < length:
        body += _more(connection)
    return int(head[9:12])


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65_536)
    if not chunk:
        raise RuntimeError("the server closed the connection")
    return chunk
