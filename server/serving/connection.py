"""Connections of the shipped server, with limits on their number and on the time that each keeps the server waiting.

uvicorn reads the requests. By itself it waits without end for the rest of a request that has begun, accepts
connections until the process has no descriptor left, and takes headers of any length. Here each of these has a bound.

A connection that the server waits for has done one of four things: it has sent nothing yet, part of a request's
headers, part of its body, or it does not read its answer. Once a second all are looked at, and those that have kept
the server waiting for too long are closed; an unfinished request is answered 408 first (RFC 9110 §15.5.9). While an
answer is being made, or is streamed to a client that reads it, nothing here ends a connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import network_of
from spacekey.middleware.responses import problem
from spacekey.server.http.middleware import ANSWERED, BEGAN
from spacekey.server.settings import Settings

CONNECTIONS_MAX = 8_192
"""How many connections may be open by default, if the descriptor limit allows more."""
DESCRIPTORS_RESERVED = 160
"""Descriptors for everything else: the pools of the database and of Redis, files, the event loop."""
BACKLOG_MAX = 2_048
"""How many connections the system queues. All of them may be accepted before the first is checked."""
HEADER_BYTES_MAX = 65_536
OVERHEAD_A_BODY_BYTE = 8
"""Bytes of chunk sizes and extensions (RFC 9112 §7.1) that may come for each byte of a body."""
DISCARDED_BYTES_MAX = 1_048_576
"""How much of a body is read after its request was answered, so that the client sees the answer."""
LOOK_SECONDS_MAX = 1.0
DRAIN_SECONDS = 3.0
"""How long a stopping server waits for a request over an idle connection, as one may be in flight."""
_NO_STORE = {"Cache-Control": "no-store", "Connection": "close"}

log = logging.getLogger("spacekey.connections")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on the number of connections of one server, and on the time that it waits for their clients.

    :param connections: how many may be open.
    :param header_seconds: from the first byte of a request, or from connecting, to the end of its headers.
    :param body_seconds: from there to the end of its body; also how long a client may read nothing of its answer.
    :param idle_seconds: from an answer to the next request.
    :param backlog: how many connections the system queues.
    """

    connections: int
    header_seconds: float
    body_seconds: float
    idle_seconds: float
    backlog: int = BACKLOG_MAX

    @property
    def spare(self) -> int:
        """How many more connections may be open briefly, to be answered 503."""
        return _spare(self.connections)


def connection_limits(settings: Settings, descriptors: int | None = None) -> ConnectionLimits:
    """Return the limits of a server with these settings.

    :param descriptors: how many this process may have open; None for the system's soft limit.
    :raises ConfigurationError: there are too few descriptors; says for how many connections they are sufficient.
    """
    descriptors = _descriptors_max() if descriptors is None else descriptors
    backlog = min(BACKLOG_MAX, descriptors // 4)
    most = (descriptors - DESCRIPTORS_RESERVED - backlog) * 16 // 17
    if most < 1:
        raise ConfigurationError(
            f"this process may open {descriptors} files and connections, and needs at least 256; raise the limit "
            "(ulimit -n, or LimitNOFILE= in a systemd unit)"
        )
    connections = settings.connections if settings.connections is not None else min(most, CONNECTIONS_MAX)
    if connections > most:
        raise ConfigurationError(
            f"SPACEKEY_CONNECTIONS: this process may open {descriptors} files and connections, which is enough for "
            f"{most} connections; write at most {most}, or raise the limit (ulimit -n, or LimitNOFILE= in a systemd "
            "unit)"
        )
    return ConnectionLimits(
        connections, settings.header_seconds, settings.body_seconds, settings.idle_seconds, max(backlog, 1)
    )


class Connections:
    """Open connections of one server.

    If there are more than ``limits.connections``, some of those that the server waits for are closed: first those of
    the network with the most connections, and of these the ones waited for longest. So clients that open many
    connections and send nothing do not keep others out. If the server waits for none, the new connection's request
    is answered 503.

    :param clock: seconds, monotonic; the one of the access log.
    """

    def __init__(self, limits: ConnectionLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self.draining = False
        """Whether the server is stopping: each connection is closed after its next response, or if no request comes."""
        self._open: dict[BoundedConnection, str] = {}
        self._of_network: Counter[str] = Counter()
        self._looking: asyncio.TimerHandle | None = None
        shortest = min(limits.header_seconds, limits.body_seconds, limits.idle_seconds)
        self._look_seconds = min(LOOK_SECONDS_MAX, shortest / 4)

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._open)

    def opened(self, connection: BoundedConnection) -> None:
        """Add a new connection; this may close or refuse it, or close others."""
        network = network_of(connection.client[0]) if connection.client else ""
        self._open[connection] = network
        self._of_network[network] += 1
        if self._looking is None:
            self._look_later(connection.loop)
        if len(self._open) > self.limits.connections:
            self._make_room(connection)

    def closed(self, connection: BoundedConnection) -> None:
        """Remove a connection that is closed, or that another protocol has taken over."""
        network = self._open.pop(connection, None)
        if network is None:
            return
        self._of_network[network] -= 1
        if not self._of_network[network]:
            del self._of_network[network]

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = loop.call_later(self._look_seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = None
        now = self.clock()
        for connection in tuple(self._open):
            connection.look(now)
        if self._open:
            self._look_later(loop)

    def _make_room(self, newcomer: BoundedConnection) -> None:
        """Close connections that the server waits for, several at once, because the search goes through all of them."""
        awaited = [
            (-self._of_network[network], since, number, one)
            for number, (one, network) in enumerate(self._open.items())
            if one is not newcomer and (since := one.awaited_since()) is not None
        ]
        if awaited:
            awaited.sort()
            for *_, one in awaited[: self.limits.spare]:
                one.drop()
            log.warning("%d connections are open; those that send nothing are closed", len(self._open))
        elif len(self._open) <= self.limits.connections + self.limits.spare:
            newcomer.refuse()
            log.warning("%d connections are open and all are in use; new ones are answered 503", len(self._open))
        else:
            newcomer.drop()


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, with the connections of its server."""

    def __init__(self, app: Any, connections: Connections, **options: Any) -> None:
        super().__init__(app, http=BoundedConnection, backlog=connections.limits.backlog, **options)
        self.connections = connections


class _Part(Enum):
    """Part of a request that was read."""

    NOTHING = auto()
    HEADERS = auto()
    BODY = auto()


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, with limits on the time that its client keeps the server waiting."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connections = config.connections
        self._part = _Part.NOTHING
        self._read_at = 0.0
        self._since = 0.0
        self._overhead = 0
        self._body = 0
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with Nagle's algorithm disabled on every kind of listening socket.

        asyncio disables it only on sockets created with ``IPPROTO_TCP``. With it, the second part of a response waits
        40 ms for the client's delayed acknowledgement of the first.
        """
        super().connection_made(transport)
        self._since = self._read_at = self._connections.clock()
        listening = transport.get_extra_info("socket")
        if listening is not None and listening.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):  # it is already closed
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.opened(self)
        if self._connections.draining:  # accepted before the server began to stop
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        self._connections.closed(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to another protocol, which has limits of its own."""
        self._connections.closed(self)
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Read some bytes; headers, trailers or chunk extensions over the limit are answered 431 (RFC 6585 §5)."""
        self._read_at = self._connections.clock()
        self._overhead += len(data)
        super().data_received(data)
        if self._part is not _Part.NOTHING and self._overhead > HEADER_BYTES_MAX + OVERHEAD_A_BODY_BYTE * self._body:
            self._end(problem(431, "headers_too_large", "Headers too large", _TOO_LARGE, headers=_NO_STORE))

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        super().on_message_begin()
        self.scope[BEGAN] = self._since = self._read_at  # type: ignore[literal-required]
        self._part = _Part.HEADERS
        self._overhead = self._body = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. Trailers are left out: they may not be merged into the headers (RFC 9110 §6.5.1)."""
        if self._part is _Part.HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Note that the headers were read."""
        self._part = _Part.BODY
        self._since = self._read_at
        super().on_headers_complete()
        if self._connections.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take part of the body. After the response, only a bounded rest of it is read."""
        self._overhead -= len(body)
        self._body += len(body)
        super().on_body(body)
        if self._body > DISCARDED_BYTES_MAX and self.cycle.response_complete:
            self.drop()

    def on_message_complete(self) -> None:
        """Note that the request was read completely."""
        self._part = _Part.NOTHING
        self._since = self._read_at
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note that the response was sent."""
        if self._part is _Part.NOTHING:
            self._since = self._connections.clock()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close after the current response, or after the one to a request that may be in flight.

        A client may send at any time, so closing an idle connection at once would lose a request that it has just sent
        (RFC 9112 §9.6).
        """
        self._connections.draining = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(DRAIN_SECONDS, self._close_idle)
        else:
            super().shutdown()

    def _close_idle(self) -> None:
        if self._part is _Part.NOTHING and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def awaited_since(self) -> float | None:
        """Return since when the client keeps the server waiting; None if it does not."""
        if self._unsent:
            return self._unsent_since
        return None if self._waits_for() is None else self._since

    def look(self, now: float) -> None:
        """End the connection if its client has kept the server waiting for too long."""
        limits = self._connections.limits
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif unsent and now - self._unsent_since > limits.body_seconds:
            self.drop()
            return
        part = self._waits_for()
        if part is None or unsent:
            return
        if part is _Part.BODY:
            if now - self._since > limits.body_seconds:
                self._end(problem(408, "body_timeout", "Request timeout", _BODY_LATE, headers=_NO_STORE))
        elif part is _Part.HEADERS:
            if now - self._since > limits.header_seconds:
                self._end(problem(408, "header_timeout", "Request timeout", _HEADERS_LATE, headers=_NO_STORE))
        elif now - self._since > (limits.header_seconds if self.cycle is None else limits.idle_seconds):
            self.transport.close()

    def refuse(self) -> None:
        """Answer the next request over this connection with 503."""
        self.app = _too_many_connections

    def drop(self) -> None:
        """Close at once, even during a response."""
        self._connections.closed(self)
        self.transport.abort()

    def _waits_for(self) -> _Part | None:
        """Return the awaited part of a request; None during a response, or while the application reads no further."""
        if self.cycle is None or self.cycle.response_complete:
            return self._part
        if self._part is _Part.BODY and not self.cycle.response_started and not self.flow.read_paused:
            return _Part.BODY
        return None

    def _end(self, response: Response) -> None:
        """Close, with this response if none has begun. The application sees a disconnected client."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self._part is not _Part.BODY:
                self.drop()  # a response has begun, in which this one must not be inserted
                return
            cycle.scope[ANSWERED] = response.status_code  # type: ignore[literal-required]
            cycle.disconnected = True
            cycle.message_event.set()
        status = f"HTTP/1.1 {response.status_code} {_REASONS[response.status_code]}\r\n".encode()
        fields = [*self.server_state.default_headers, *response.raw_headers]
        lines = [name + b": " + value + b"\r\n" for name, value in fields]
        self.transport.write(b"".join([status, *lines, b"\r\n", bytes(response.body)]))
        self.transport.close()


_REASONS = {408: "Request Timeout", 431: "Request Header Fields Too Large"}
_TOO_LARGE = f"Headers, trailers and chunk extensions may have at most {HEADER_BYTES_MAX} bytes."
_HEADERS_LATE = "The headers of the request did not come in time."
_BODY_LATE = "The body of the request did not come in time."


async def _too_many_connections(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "The server has as many connections as it can take. Try again."
    headers = {**_NO_STORE, "Retry-After": "1"}
    await problem(503, "too_many_connections", "Unavailable", detail, headers=headers)(scope, receive, send)


def _spare(connections: int) -> int:
    return max(1, connections // 16)


def _descriptors_max() -> int:
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # Windows does not count sockets as files
        return 1_000_000
    soft, _ = getrlimit(RLIMIT_NOFILE)
    return 1_000_000 if soft == RLIM_INFINITY else soft
