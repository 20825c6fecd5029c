"""An ASGI app on a free port of this machine, in a thread, for clients that need a real socket."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from spacekey.server.serving.connection import Connections, ServerConfig
from spacekey.server.serving.serve import address_of, listening_socket

START_SECONDS_MAX = 120.0
UNFINISHED = "ASGI callable returned without completing handshake."


@contextmanager
def running(
    app: ASGIApp,
    *,
    http: str = "auto",
    proxy_headers: bool = True,
    connections: Connections | None = None,
    loop: str = "auto",
    ws: str = "websockets-sansio",
) -> Iterator[str]:
    """Serve ``app``; gives its address, stops it afterwards.

    :param http: one of uvicorn's protocols.
    :param proxy_headers: whether this machine's clients are believed what they say of the address they act for.
    :param connections: serve over the shipped server's connections, kept in this.
    :param loop: one of uvicorn's event loops.
    :param ws: one of uvicorn's WebSocket protocols; the first is its default.
    """
    listening = listening_socket("127.0.0.1", 0)
    protocol = {"http": http} if connections is None else {}
    with _running_on(listening, app, connections, proxy_headers=proxy_headers, loop=loop, ws=ws, **protocol):
        yield address_of(listening)


@contextmanager
def running_on_unix(app: ASGIApp, file: Path, *, connections: Connections | None = None) -> Iterator[None]:
    """Serve ``app`` on a Unix socket, whose clients have no address."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(file))
    with _running_on(listening, app, connections):
        yield


@contextmanager
def _running_on(
    listening: socket.socket, app: ASGIApp, connections: Connections | None, **options: Any
) -> Iterator[None]:
    started = threading.Event()
    options = {"ws": "websockets-sansio", **options, "lifespan": "on", "log_config": None, "access_log": False}
    served: Any = app
    config = uvicorn.Config(served, **options) if connections is None else ServerConfig(served, connections, **options)

    class _Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    log = logging.getLogger("uvicorn.error")
    if config.ws == "websockets-sansio":
        log.addFilter(_is_no_denial)
    thread.start()
    try:
        assert started.wait(START_SECONDS_MAX), "the app did not start"
        yield
    finally:
        server.should_exit = True
        thread.join(START_SECONDS_MAX)
        listening.close()
        log.removeFilter(_is_no_denial)


def _is_no_denial(record: logging.LogRecord) -> bool:
    """Whether it is not what uvicorn's default protocol says of every denial response, though it was sent whole
    (https://github.com/Kludex/uvicorn/pull/3138)."""
    return record.msg != UNFINISHED
