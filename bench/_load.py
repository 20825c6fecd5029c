"""A light client of prepared bytes, and what a process costs: CPU time as the operating system counts it."""

from __future__ import annotations

import os
import select
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from ._served import END_OF_HEAD, connection_to

SUCCESS, UNAVAILABLE = (b"200", b"201"), b"503"
READ_BYTES = 262_144
ANSWER_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Spell:
    """One round of load: the seconds that each answered request took, and how long all of it took.

    :param unavailable: how many were answered with 503, because too many waited.
    """

    latencies: list[float]
    seconds: float
    unavailable: int

    @property
    def a_second(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


class Load:
    """Kept-open connections to one server, each with one request in flight at a time; every answer is looked at.

    A connection is opened for the first round that needs it, and again if the server has closed it between two rounds,
    as it closes those on which nothing comes. Neither counts in a round's time.

    :param requests: the bytes to send, taken in turn.
    """

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self._address = address
        self._connections: list[socket] = []
        self._requests = requests

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def _open(self, count: int) -> list[socket]:
        for place, connection in enumerate(self._connections[:count]):
            if _is_closed(connection):
                connection.close()
                self._connections[place] = connection_to(self._address)
        while len(self._connections) < count:
            self._connections.append(connection_to(self._address))
        return self._connections[:count]

    def spell(self, at_once: int, seconds: float) -> Spell:
        """Send on so many of the connections until the time is over, and wait for what is in flight.

        :raises RuntimeError: an answer is not a success, or does not come. Of several at once, some may find the server
            busy (503), which is counted.
        """
        latencies: list[float] = []
        unavailable = 0
        sent: dict[socket, float] = {}
        received: dict[socket, bytes] = {}
        connections = self._open(at_once)
        with selectors.DefaultSelector() as selector:
            began = time.perf_counter()
            for connection in connections:
                selector.register(connection, selectors.EVENT_READ, connection)
                sent[connection], received[connection] = time.perf_counter(), b""
                connection.sendall(next(self._requests))
            while sent:
                ready = selector.select(ANSWER_SECONDS_MAX)
                if not ready:
                    raise RuntimeError("the server does not answer")
                for key, _ in ready:
                    one: socket = key.data
                    received[one] += _more(one)
                    if not _is_whole(received[one]):
                        continue
                    now = time.perf_counter()
                    took = now - sent.pop(one)
                    if at_once > 1 and received[one][9:12] == UNAVAILABLE:
                        unavailable += 1
                    else:
                        _check_success(received[one])
                        latencies.append(took)
                    received[one] = b""
                    if now - began < seconds:
                        sent[one] = now
                        one.sendall(next(self._requests))
        return Spell(latencies, time.perf_counter() - began, unavailable)


@contextmanager
def load_on(address: tuple[str, int], requests: Iterator[bytes]) -> Iterator[Load]:
    """Load for the server at this address, whose connections close with the block."""
    load = Load(address, requests)
    try:
        yield load
    finally:
        load.close()


def answer_to(address: tuple[str, int], request: bytes) -> bytes:
    """The body of one answer.

    :raises RuntimeError: it is not a success.
    """
    with connection_to(address) as connection:
        connection.sendall(request)
        answer = b""
        while not _is_whole(answer):
            answer += _more(connection)
    _check_success(answer)
    return answer.partition(END_OF_HEAD)[2]


def _check_success(answer: bytes) -> None:
    if answer[9:12] not in SUCCESS:
        raise RuntimeError(f"a benchmark that measures refusals: {answer[:600]!r}")


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(END_OF_HEAD)
    if not found:
        return False
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    if not rest:
        raise RuntimeError(f"an answer without a length: {head!r}")
    return len(body) >= int(rest.partition(b"\r\n")[0])


def _is_closed(connection: socket) -> bool:
    """Whether the other side has closed a connection on which no answer is due: then there is something to read."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable)


def _more(connection: socket) -> bytes:
    chunk = connection.recv(READ_BYTES)
    if not chunk:
        raise RuntimeError("the server closed the connection")
    return chunk


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of what it started, in nanoseconds' resolution where they run, ticks where they ended.

    Linux: the clock of another process is ``(~pid << 3) | 2`` (``clock_getcpuclockid``).
    """
    total = 0.0
    for one in _with_descendants(pid):
        try:
            total += time.clock_gettime((~one << 3) | 2) + _of_the_dead(one)
        except (OSError, FileNotFoundError):
            continue  # it ended meanwhile, and counts with its parent's dead
    return total


def resident_bytes(pid: int) -> int:
    """Memory that a process and what it started hold in RAM, each page once a process."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _with_descendants(pid))
    return pages * os.sysconf("SC_PAGE_SIZE")


def _of_the_dead(pid: int) -> float:
    """CPU seconds of the children that ended and were waited for (``cutime`` and ``cstime`` of proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found
