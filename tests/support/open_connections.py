"""What a process still holds open of a database: connections of the server's, or files of SQLite's."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

from .postgres import PostgresServer

GONE_SECONDS_MAX = 20.0
LOOK_AGAIN_SECONDS = 0.01


def open_files(file: str) -> list[str]:
    """Return the files of an SQLite database that this process holds open."""
    path, found = Path(file).absolute(), []
    own = {str(path), f"{path}-wal", f"{path}-shm"}
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own is closed by now
            target = str(descriptor.readlink())
            if target in own:
                found.append(target)
    return found


async def connections(server: PostgresServer, database: str) -> int:
    """Return how many connections the server has to a database, those of other processes included."""
    connection = await server.connect("postgres")
    try:
        counted: int = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", database)
    finally:
        await connection.close()
    return counted


class Watched:
    """A database, and what was open to it when nothing of the test's own was.

    :param server: PostgreSQL's; None for SQLite.
    """

    def __init__(self, url: str, server: PostgresServer | None) -> None:
        self.url = url
        self._database = str(make_url(url).database)
        self._server = server
        self._others = 0

    async def begin(self) -> None:
        """Count what is open now."""
        self._others = await self._open()

    async def assert_all_closed(self) -> None:
        """Assert that no more is open.

        A server takes a moment to notice that a connection was closed, and so does a thread that closes a file; what
        was not closed stays for good.
        """
        deadline = time.monotonic() + GONE_SECONDS_MAX
        while (count := await self._open() - self._others) > 0:
            assert time.monotonic() < deadline, f"{count} open"
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _open(self) -> int:
        if self._server is None:
            return len(open_files(self._database))
        return await connections(self._server, self._database)
