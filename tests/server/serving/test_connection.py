"""Bounds on the connections of the shipped server: what ends one, and what does not, by a clock that the test sets."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from spacekey.domain.errors import ConfigurationError
from spacekey.server.http.middleware import RequestLog
from spacekey.server.metrics import Metrics
from spacekey.server.serving.connection import (
    DISCARDED_BYTES_MAX,
    HEADER_BYTES_MAX,
    ConnectionLimits,
    Connections,
    connection_limits,
)
from spacekey.server.settings import Settings
from support.programs.waiting import until
from support.running_app import running, running_on_unix

pytestmark = pytest.mark.sampled(2)

SECONDS_MAX = 300.0
LONG = 1_000.0
GET = b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_HEADER = b"GET /ok HTTP/1.1\r\nHost: x\r\nX-"


@dataclass
class World:
    """A server over bounded connections, a clock that stands still, and what its endpoints wait for."""

    limits: ConnectionLimits = field(default_factory=lambda: ConnectionLimits(4, 10.0, 10.0, 10.0))
    now: float = 100.0
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def connections(self) -> Connections:
        return Connections(self.limits, clock=lambda: self.now)

    def app(self) -> Starlette:
        routes = [
            Route("/ok", _ok, methods=["GET", "POST"]),
            Route("/read", _read, methods=["POST"]),
            Route("/large", _large),
            Route("/hold", self._hold),
            Route("/stream", self._stream),
            Route("/after", self._after, methods=["POST"]),
            WebSocketRoute("/socket", _echo),
        ]
        return Starlette(routes=routes, middleware=[Middleware(RequestLog, metrics=Metrics(), clock=lambda: self.now)])

    async def _waits(self) -> None:
        from anyio.to_thread import run_sync

        assert await run_sync(self.go_on.wait, SECONDS_MAX)

    async def _hold(self, _request: Request) -> Response:
        await self._waits()
        return PlainTextResponse("held")

    async def _stream(self, _request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "first"
            await self._waits()
            yield "last"

        return StreamingResponse(parts())

    async def _after(self, request: Request) -> Response:
        async def later() -> None:
            self.now += LONG

        await request.body()
        self.now += 1
        return PlainTextResponse("ok", background=BackgroundTask(later))

    def open(self, sent: bytes = b"") -> socket.socket:
        parts = urlsplit(self.url)
        assert parts.port
        connection = socket.create_connection(("127.0.0.1", parts.port), SECONDS_MAX)
        connection.sendall(sent)
        return connection

    def wait_until_looked(self) -> None:
        """Until the server has looked at its connections by the present clock: it ends one that this opens."""
        with self.open(HALF_A_HEADER) as witness:
            while not self._is_ended(witness):
                self.now += LONG  # its first byte may be read only now

    def _is_ended(self, witness: socket.socket) -> bool:
        witness.settimeout(0.5)
        try:
            return read_all(witness).startswith(b"HTTP/1.1 408 ")
        except TimeoutError:
            return False


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _read(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _large(_request: Request) -> Response:
    return PlainTextResponse("x" * 64_000_000)


async def _echo(ws: WebSocket) -> None:
    await ws.accept()
    async for text in ws.iter_text():
        await ws.send_text(text)


@pytest.fixture(params=["asyncio", "uvloop"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The server on each event loop."""
    made = World()
    with running(made.app(), connections=made.connections(), loop=request.param) as made.url:
        yield made
        made.go_on.set()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    received = bytearray()
    try:
        while part := connection.recv(1_048_576):
            received += part
    except (ConnectionResetError, BrokenPipeError):
        pass
    return bytes(received)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    received = bytearray()
    while end not in received:
        part = connection.recv(65_536)
        assert part, bytes(received)
        received += part
    return bytes(received)


def test_an_answer_that_is_made_or_streamed_and_a_websocket_are_not_ended(world: World) -> None:
    with world.open(GET.replace(b"/ok", b"/hold")) as held, world.open(GET.replace(b"/ok", b"/stream")) as streamed:
        read_until(streamed, b"first")
        with connect(world.url.replace("http", "ws") + "/socket") as ws:
            world.wait_until_looked()
            ws.send("still here")
            assert ws.recv(SECONDS_MAX) == "still here"
        world.go_on.set()
        assert b"held" in read_until(held, b"held")
        assert b"last" in read_until(streamed, b"last")


def test_a_body_that_the_application_does_not_read_yet_is_not_late(world: World) -> None:
    """More than fits into memory was sent, so it is the client that waits."""
    body = b"x" * 300_000
    head = f"POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode().replace(b"POST", b"GET")
    with world.open(head) as connection:
        sending = threading.Thread(target=connection.sendall, args=(body,), daemon=True)
        sending.start()
        read_after = world.open(GET)
        read_until(read_after, b"ok")
        read_after.close()
        world.go_on.set()
        assert b"held" in read_until(connection, b"held")
        sending.join(SECONDS_MAX)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", b""),
        (HALF_A_HEADER, b"HTTP/1.1 408 "),
        (b"\r\n\r\n", b""),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408 "),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", b"HTTP/1.1 408 "),
        (b"POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 200 "),
        (GET, b"HTTP/1.1 200 "),
        (GET + HALF_A_HEADER, b"HTTP/1.1 200 "),
    ],
    ids=[
        "nothing",
        "headers",
        "empty lines",
        "body",
        "chunks",
        "body of an answered request",
        "idle",
        "second headers",
    ],
)
def test_a_client_that_is_waited_for_too_long_is_let_go(world: World, sent: bytes, said: bytes) -> None:
    with world.open(sent) as connection:
        world.wait_until_looked()
        connection.settimeout(0.5)
        received = b""
        while True:
            try:
                received += read_all(connection)
                break
            except TimeoutError:
                world.now += LONG
    assert received.startswith(said)
    assert said or not received


def test_a_late_body_is_408_in_the_log_and_the_endpoint_does_not_go_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "spacekey.access")
    with world.open(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc") as connection:
        world.wait_until_looked()
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head.lower()
    assert json.loads(body)["code"] == "body_timeout"
    lines = [vars(record)["facts"] for record in caplog.records]
    assert [line["status"] for line in lines if line["route"] == "/read"] == [408]


def test_a_client_that_does_not_read_its_answer_is_let_go(world: World) -> None:
    with world.open(GET.replace(b"/ok", b"/large")) as connection:
        connection.recv(1)
        world.wait_until_looked()
        world.wait_until_looked()
        assert len(read_all(connection)) < 64_000_000


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /ok HTTP/1.1\r\nHost: x\r\nX-Long: ",
        b"GET /ok HTTP/1.1\r\nHost: x\r\n",
        b"GET /",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Trailer: ",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
    ],
    ids=["value", "fields", "path", "trailer", "chunk extension"],
)
def test_headers_without_end_are_refused(world: World, begun: bytes) -> None:
    more = b"X-Y: z\r\n" * 100 if begun.endswith(b"\r\n") else b"x" * 800
    with world.open(begun) as connection:
        sent = 0
        try:
            while sent < 100 * HEADER_BYTES_MAX:
                connection.sendall(more)
                sent += len(more)
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < 100 * HEADER_BYTES_MAX
        assert read_all(connection)[:13] in (b"", b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")


def test_a_body_in_the_smallest_chunks_is_taken(world: World) -> None:
    count = HEADER_BYTES_MAX
    with world.open(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
        connection.sendall(b"1\r\nx\r\n" * count + b"0\r\n\r\n")
        assert str(count).encode() in read_until(connection, str(count).encode())


def test_of_the_body_of_an_answered_request_only_so_much_is_read(world: World) -> None:
    length = 100 * DISCARDED_BYTES_MAX
    with world.open(f"POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()) as connection:
        sent = 0
        try:
            while sent < length:
                connection.sendall(b"x" * 65_536)
                sent += 65_536
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < length


def test_trailers_are_no_headers(world: World) -> None:
    seen: list[bytes] = []
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with world.open(head + b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n" + GET) as connection:
        seen.append(read_until(connection, b"ok"))
    assert seen[0].count(b"HTTP/1.1 200 ") == 2


def test_at_the_bound_those_that_are_waited_for_longest_make_room(world: World) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(world.open(GET)) for _ in range(world.limits.connections)]
        for connection in idle:
            read_until(connection, b"ok")
            world.now += 1
        newcomer = stack.enter_context(world.open(GET))
        assert read_until(newcomer, b"ok").startswith(b"HTTP/1.1 200 ")
        assert read_all(idle[0]) == b""
        idle[1].sendall(GET)
        assert read_until(idle[1], b"ok").startswith(b"HTTP/1.1 200 ")


def test_when_all_are_in_use_a_new_one_is_answered_503_and_no_answer_is_lost(world: World) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(world.open(GET.replace(b"/ok", b"/stream"))) for _ in range(4)]
        for connection in held:
            read_until(connection, b"first")
        newcomer = stack.enter_context(world.open(GET))
        head, _, body = read_all(newcomer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1" in head.lower()
        assert json.loads(body)["code"] == "too_many_connections"
        world.go_on.set()
        for connection in held:
            read_until(connection, b"last")
        later = stack.enter_context(world.open(GET))
        assert read_until(later, b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket_has_bounds_too(tmp_path: Path) -> None:
    made = World()
    with running_on_unix(made.app(), tmp_path / "s", connections=made.connections()), ExitStack() as stack:
        for _ in range(20):
            line = stack.enter_context(socket.socket(socket.AF_UNIX))
            line.settimeout(SECONDS_MAX)
            line.connect(str(tmp_path / "s"))
            line.sendall(GET)
            assert read_until(line, b"ok").startswith(b"HTTP/1.1 200 ")


def test_the_log_tells_what_the_client_waited_for(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """From the first byte of the headers to the last of the answer, and nothing that is done after it."""
    caplog.set_level(logging.INFO, "spacekey.access")

    def read_by_now() -> None:
        """What was sent before was read: an answer over another connection takes a later turn of the loop."""
        with world.open(GET) as other:
            read_until(other, b"ok")
        world.now += 2

    with world.open(GET) as connection:
        read_until(connection, b"ok")
        connection.sendall(b"P")
        read_by_now()
        connection.sendall(b"OST /after HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        read_by_now()
        connection.sendall(b"b")
        read_until(connection, b"ok")
        connection.sendall(GET)  # the next request is logged after all of this one has been
        read_until(connection, b"ok")
    records = [record for record in caplog.records if record.name == "spacekey.access"]
    facts: list[dict[str, object]] = [vars(record)["facts"] for record in records]
    assert [line["milliseconds"] for line in facts if line["route"] == "/after"] == [5_000.0]


@pytest.mark.parametrize(
    ("descriptors", "asked", "connections"),
    [(1_024, None, 572), (256, None, 30), (65_536, None, 8_192), (1_024, 100, 100), (1_024, 572, 572)],
)
def test_the_bound_leaves_room_below_the_descriptor_limit(
    descriptors: int, asked: int | None, connections: int
) -> None:
    limits = connection_limits(Settings(connections=asked), descriptors)
    assert limits.connections == connections
    assert limits.connections + limits.spare + limits.backlog + 160 <= descriptors


@pytest.mark.parametrize(("descriptors", "asked"), [(200, None), (1_024, 573)])
def test_too_few_descriptors_are_said(descriptors: int, asked: int | None) -> None:
    with pytest.raises(ConfigurationError, match="LimitNOFILE="):
        connection_limits(Settings(connections=asked), descriptors)


def read_answer(connection: socket.socket) -> None:
    """The whole answer to ``GET``, after which the connection is idle."""
    received = b""
    while not received.endswith(b"\r\n\r\nok"):
        part = connection.recv(1_048_576)
        assert part, received
        received += part


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_stopping_server_answers_requests_that_are_on_their_way(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a connection that was answered before, and over one that has sent nothing yet; then each is closed."""
    monkeypatch.setattr("spacekey.server.serving.connection.DRAIN_SECONDS", LONG)
    made = World()
    connections = made.connections()
    with ExitStack() as server, ThreadPoolExecutor(1) as beside:
        made.url = server.enter_context(running(made.app(), connections=connections, loop=loop))
        with made.open(GET) as kept, made.open() as fresh:
            read_answer(kept)
            until(lambda: len(connections) == 2)
            stopping = beside.submit(server.close)
            until(lambda: connections.draining)
            assert not stopping.done()
            for one in (kept, fresh):
                one.sendall(GET)
                answer = read_all(one)
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert b"\r\nconnection: close\r\n" in answer
            stopping.result()


def test_a_stopping_server_closes_a_connection_over_which_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacekey.server.serving.connection.DRAIN_SECONDS", 0.1)
    made = World()
    with ExitStack() as server:
        made.url = server.enter_context(running(made.app(), connections=made.connections()))
        with made.open(GET) as kept:
            read_answer(kept)
            server.close()
            assert read_all(kept) == b""
