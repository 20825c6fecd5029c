"""One of several processes that serve on one socket; see :mod:`spacekey.server.serving.workers`, which starts it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from uvicorn.loops.auto import auto_loop_factory

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.server.build import Among
from spacekey.server.logs import configure_logging
from spacekey.server.metrics import share_metrics
from spacekey.server.settings import Settings
from spacekey.server.shared_memory import SharedMemory

from .connection import connection_limits
from .serve import serve_on
from .workers import READY

log = logging.getLogger("spacekey.workers")


def main(descriptor: int) -> None:
    """Run a worker until SIGTERM, or until the parent has ended.

    :param descriptor: that of the socket over which the parent sends instructions.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal sends it to the whole group; the parent handles it
    with socket.socket(fileno=descriptor) as parent:
        told = pickle.loads(_read(parent, int.from_bytes(_read(parent, 4), "big")))  # noqa: S301 - the parent's
        settings = Settings(**told["settings"])
        configure_logging(settings.log_level)
        share_metrics(Path(told["metrics"]), told["number"])
        among = Among(SharedMemory(told["descriptors"]["memory"]), Path(told["metrics"]), told["warns"])
        listening = socket.socket(fileno=told["descriptors"]["listening"])
        try:
            with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
                runner.run(_serve(settings, listening, parent, among))
        except (ConfigurationError, ServiceUnavailable) as error:
            reason = {"unavailable": isinstance(error, ServiceUnavailable), "why": str(error)}
            with suppress(OSError):
                parent.sendall(json.dumps(reason).encode() + b"\n")
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(0)  # a terminal signals the whole process group; the parent handles it


async def _serve(settings: Settings, listening: socket.socket, parent: socket.socket, among: Among) -> None:
    loop = asyncio.get_running_loop()

    def parent_gone() -> None:
        loop.remove_reader(parent)
        log.warning("the process that started worker %d is gone; the worker stops", os.getpid())
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent, parent_gone)  # the parent sends nothing more, so this reads only the end of the stream
    try:
        await serve_on(settings, connection_limits(settings), listening, lambda _: parent.sendall(READY), among)
    finally:
        loop.remove_reader(parent)


def _read(parent: socket.socket, length: int) -> bytes:
    read = b""
    while len(read) < length:
        more = parent.recv(length - len(read))
        if not more:
            sys.exit(1)  # the parent ended before it sent instructions
        read += more
    return read


if __name__ == "__main__":
    main(int(sys.argv[1]))
