"""Ways in which PostgreSQL does not answer, each until the block ends."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg

from support.postgres import ADMIN, PostgresServer

CONNECT_SECONDS = 5.0
SLOTS_MAX = 100


@contextmanager
def suspended(pids: list[int]) -> Iterator[None]:
    """Suspend these processes during the block."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def hanging(postgres: PostgresServer) -> Iterator[None]:
    """Suspend the whole server during the block: connections stay open and get no answer."""
    children = Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children").read_text().split()
    with suspended([postgres.pid, *map(int, children)]):
        yield


@asynccontextmanager
async def connected(postgres: PostgresServer, database: str = ADMIN) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection of the administrator."""
    connection = await asyncpg.connect(user=ADMIN, host=postgres.host, database=database, timeout=CONNECT_SECONDS)
    try:
        yield connection
    finally:
        connection.terminate()


async def close_connections(connection: asyncpg.Connection, database: str) -> None:
    """End every session on the database."""
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)


@asynccontextmanager
async def slots_taken(postgres: PostgresServer, database: str) -> AsyncIterator[None]:
    """Take all connection slots during the block, after closing all other connections to the database."""
    held: list[asyncpg.Connection] = []
    try:
        await _take_slots(postgres, held)
        await close_connections(held[0], database)
        await _take_slots(postgres, held)
        yield
    finally:
        for connection in held:
            connection.terminate()


async def _take_slots(postgres: PostgresServer, held: list[asyncpg.Connection]) -> None:
    with suppress(asyncpg.TooManyConnectionsError):
        while len(held) < SLOTS_MAX:
            held.append(await asyncpg.connect(user=ADMIN, host=postgres.host, database=ADMIN, timeout=CONNECT_SECONDS))


@asynccontextmanager
async def tokens_locked(postgres: PostgresServer, database: str) -> AsyncIterator[None]:
    """Lock the tokens table during the block, so that every read of a token waits."""
    async with connected(postgres, database) as connection:
        await connection.execute("SET lock_timeout = '5s'; BEGIN; LOCK TABLE spacekey_tokens IN ACCESS EXCLUSIVE MODE")
        yield
