"""An ASGI app on a free port of this machine, in a thread, for clients that need a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from spacekey.server.serve import address_of, listening_socket

START_SECONDS_MAX = 20.0


@contextmanager
def running(app: ASGIApp, *, http: str = "auto") -> Iterator[str]:
    """Serve ``app``; gives its address, stops it afterwards. ``http`` is one of uvicorn's protocols."""
    listening = listening_socket("127.0.0.1", 0)
    started = threading.Event()
    config: Any = uvicorn.Config(
        app, lifespan="on", log_config=None, access_log=False, ws="websockets-sansio", http=http
    )

    class _Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        assert started.wait(START_SECONDS_MAX), "the app did not start"
        yield address_of(listening)
    finally:
        server.should_exit = True
        thread.join(START_SECONDS_MAX)
        listening.close()
