"""One cache of compiled statements for all engines of a process.

SQLAlchemy compiles a statement once for each engine. A product has one engine; the suite has one for each test, and
would spend an eighth of its time compiling the same statements again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

STATEMENTS_MAX = 4_000


@contextmanager
def shared_compiled_statements() -> Iterator[None]:
    """Let every engine that is created meanwhile use one cache, in which two dialects of one kind are equal."""
    cache: LRUCache[Any, Any] = LRUCache(STATEMENTS_MAX)
    create = AsyncEngine.__init__

    def create_with_cache(engine: AsyncEngine, sync_engine: Engine) -> None:
        sync_engine._compiled_cache = cache
        create(engine, sync_engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncEngine, "__init__", create_with_cache)
        for dialect in (PGDialect_asyncpg, SQLiteDialect_aiosqlite):
            patch.setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))
            patch.setattr(dialect, "__hash__", lambda one: hash(type(one)))
        yield
