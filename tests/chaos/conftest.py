"""PostgreSQL for faults, the seed, and how long everything may take."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from support.databases import migrate_postgres
from support.postgres import PostgresServer

SEED = "SPACEKEY_FAULT_SEED"
LENGTH = "SPACEKEY_FAULTS"


@pytest.fixture(scope="package")
def durable_postgres() -> Iterator[PostgresServer]:
    """A server that keeps what it acknowledged when it is killed, with few connection slots. The machine stays up, so
    nothing needs to be synced to the disk."""
    server = PostgresServer(synchronous_commit="on", full_page_writes="on", max_connections="60")
    try:
        server.start()
        migrate_postgres(server)
        yield server
    finally:
        server.remove()


@pytest.fixture
def seed() -> int:
    """From the environment, to repeat a plan, else a new one."""
    given = os.environ.get(SEED)
    return secrets.randbelow(2**31) if given is None else int(given)


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether this is ``make faults``: the same tests, many times as long."""
    return os.environ.get(LENGTH) == "long"
