"""What a product makes once for a process, and the suite would make again in each test.

SQLAlchemy compiles a statement once for each engine, of which a product has one, and httpx reads the certificates of
the certificate authorities once for each client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from httpx._config import create_ssl_context
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

STATEMENTS_MAX = 4_000


@contextmanager
def shared_certificates() -> Iterator[None]:
    """Let HTTP clients that verify servers in the usual way share what they trust."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(create_ssl_context))
        yield


@contextmanager
def shared_compiled_statements() -> Iterator[None]:
    """Let every engine that is created meanwhile use one cache, in which two dialects of one kind are equal."""
    compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS_MAX)
    create = AsyncEngine.__init__

    def create_with_cache(engine: AsyncEngine, sync_engine: Engine) -> None:
        sync_engine._compiled_cache = compiled
        create(engine, sync_engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncEngine, "__init__", create_with_cache)
        for dialect in (PGDialect_asyncpg, SQLiteDialect_aiosqlite):
            patch.setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))
            patch.setattr(dialect, "__hash__", lambda one: hash(type(one)))
        yield
