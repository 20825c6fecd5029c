"""Serving on a socket: uvicorn on uvloop, with bounded connections, structured logs and a bounded stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from math import ceil

import uvicorn
from starlette.applications import Starlette
from uvicorn.loops.auto import auto_loop_factory

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.resolvers.staleness import STALENESS_SECONDS_MAX, current_staleness
from spacekey.resolvers.system import System
from spacekey.server.app import build_app
from spacekey.server.build import Among, build_parts, prepare_store
from spacekey.server.logs import configure_logging
from spacekey.server.settings import Settings

from .connection import BACKLOG_MAX, ConnectionLimits, Connections, ServerConfig, connection_limits
from .workers import supervise

GRACEFUL_SECONDS = 10
"""How long requests in progress may take when the server stops, in addition to T, which revocations wait for."""
LOOK_SECONDS = 2.0
"""How long reading T may take then."""


class _Server(uvicorn.Server):
    """Server that tells when it listens, and exits with code 0 on SIGTERM, since it stopped as requested."""

    on_start: Callable[[], None] | None = None
    grace: Callable[[], Awaitable[float]] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            keep_start_out_of_collections()
            if self.on_start is not None:
                self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.grace is not None:
            for listening in self.servers:  # no other connection is accepted during this check
                listening.close()
            self.config.timeout_graceful_shutdown = ceil(await self.grace())
        if isinstance(self.config, ServerConfig):
            self.config.connections.draining = True
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ignore SIGTERM while uvicorn restores the earlier handlers and raises the caught signals again."""
        if threading.current_thread() is not threading.main_thread():
            with super().capture_signals():
                yield
            return
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            with super().capture_signals():
                yield
        finally:
            signal.signal(signal.SIGTERM, before)


def serve(settings: Settings, *, on_start: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests in progress get 10 seconds and T to end. Returns after SIGTERM.

    :param on_start: called with the address, such as ``http://127.0.0.1:8000``, once requests are accepted.
    :raises ConfigurationError: a setting, a product, the port or the database is not as required, or too few files
        may be open; says what to do.
    :raises ServiceUnavailable: the database does not answer.
    """
    configure_logging(settings.log_level)
    limits = connection_limits(settings)
    with closing(listening_socket(settings.host, settings.port, backlog=limits.backlog)) as listening:
        if settings.workers > 1:
            supervise(settings, listening, None if on_start is None else lambda: on_start(address_of(listening)))
            return
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(serve_on(settings, limits, listening, on_start))


async def serve_on(
    settings: Settings,
    limits: ConnectionLimits,
    listening: socket.socket,
    on_start: Callable[[str], None] | None,
    among: Among | None = None,
) -> None:
    """Serve on a socket until a signal, as one process.

    :param among: what this process shares with other workers; None for a single process.
    """
    parts = build_parts(settings, among=among)
    try:
        # Before the server starts, so that an error is printed without a traceback.
        await prepare_store(parts.system.store)
        app = build_app(settings, parts=parts)
    except BaseException:
        await parts.aclose()
        raise
    server = _Server(server_config(settings, app, limits))
    server.grace = lambda: grace_seconds(parts.system)
    server.on_start = None if on_start is None else lambda: on_start(address_of(listening))
    await server.serve(sockets=[listening])
    if not server.started:
        raise ConfigurationError("the server could not start; the log says why")


def keep_start_out_of_collections() -> None:
    """Exclude all objects that exist now from garbage collection (``gc.freeze``).

    Modules, routes and the GraphQL schema are 150,000 objects that live as long as the process. A full collection of
    them all stops every request for some 50 ms; without them it takes less than one.
    """
    gc.collect()
    gc.freeze()


async def grace_seconds(system: System) -> float:
    """Return how long requests in progress may take, so that a revocation that waits for T can still be answered.

    T is read when it is needed, because it may be changed at any time.
    """
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return GRACEFUL_SECONDS + await current_staleness(system)
    except (ServiceUnavailable, TimeoutError):
        return GRACEFUL_SECONDS + STALENESS_SECONDS_MAX


def server_config(settings: Settings, app: Starlette, limits: ConnectionLimits | None = None) -> uvicorn.Config:
    """Return uvicorn's configuration: with our logs, without its access log, and without trusted proxies.

    :param limits: the limits of connections; None for the settings' own.
    :raises ConfigurationError: too few files may be open.
    """
    limits = connection_limits(settings) if limits is None else limits
    return ServerConfig(
        app,
        Connections(limits),
        lifespan="on",
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=ceil(limits.idle_seconds),
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def listening_socket(host: str, port: int, *, backlog: int = BACKLOG_MAX) -> socket.socket:
    """Return a bound socket.

    :param backlog: how many connections the system queues.
    :raises ConfigurationError: the port is in use or not permitted, or the host is not an address of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=backlog)
    except socket.gaierror:
        raise ConfigurationError(f"SPACEKEY_HOST: '{host}' is not an address of this machine") from None
    except OSError as error:
        raise ConfigurationError(_why_not(host, port, error)) from error


def address_of(listening: socket.socket) -> str:
    """Return the address to open in a browser: localhost for a socket on all addresses."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"SPACEKEY_PORT: {host}:{port} is taken by another program; stop it, or choose another port"
    if error.errno == errno.EACCES:
        return f"SPACEKEY_PORT: port {port} needs more rights than this user has; choose one above 1023"
    return f"SPACEKEY_HOST: cannot listen on {host}:{port}: {error.strerror}; choose another address"
