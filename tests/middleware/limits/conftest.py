"""One real Redis for this folder, and one for each test that does it harm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.redis_server import MISSING, RedisServer

SETTLED_SECONDS = 13.0
"""After which a Redis is past its start for the limits these tests use."""


def _started(*options: str) -> Iterator[RedisServer]:
    server = RedisServer(*options)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def steady_redis(aging_redis: RedisServer | None) -> RedisServer:
    """A Redis that has run for a while. No test stops it."""
    if aging_redis is None:
        pytest.skip(MISSING)
    aging_redis.wait_until_it_has_run_for(SETTLED_SECONDS)
    return aging_redis


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis that has just started, for a test that may kill it."""
    yield from _started()
