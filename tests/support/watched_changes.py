"""Changes in one hop, statement by statement: what comes before each runs where a test can look, or act."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from spacekey.models.engine.store import SQLITE, Store


class _Connection:
    """A driver's connection whose statements are announced."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


class _SqliteConnection(_Connection):
    def __init__(self, connection: Any, before: Callable[[], None]) -> None:
        super().__init__(connection)
        self._before = before

    def execute(self, statement: str, *arguments: Any) -> object:
        """Run a statement."""
        self._before()
        found: object = self.connection.execute(statement, *arguments)
        return found


class _PostgresConnection(_Connection):
    def __init__(self, connection: Any, before: Callable[[], Awaitable[None]]) -> None:
        super().__init__(connection)
        self._before = before

    async def execute(self, *arguments: Any, **options: Any) -> object:
        """Run a statement."""
        await self._before()
        return await self.connection.execute(*arguments, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> object:
        """Run a statement that returns rows."""
        await self._before()
        return await self.connection.fetch(*arguments, **options)


@contextmanager
def before_each_statement(store: Store, before: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Await ``before`` in this event loop before each statement of the store's changes in one hop, commits included."""
    changes: Any = store._changes
    if store.dialect == SQLITE:
        loop, opened = asyncio.get_running_loop(), changes._opened

        def in_its_thread() -> None:
            asyncio.run_coroutine_threadsafe(_awaited(before), loop).result()

        changes._opened = lambda: _SqliteConnection(opened(), in_its_thread)
        try:
            yield
        finally:
            del changes._opened
        return
    begun = changes._begun

    async def watched() -> _PostgresConnection:
        return _PostgresConnection(_unwrapped(await begun()), before)

    changes._begun = watched
    try:
        yield
    finally:
        del changes._begun
        changes._idle[:] = [_unwrapped(one) for one in changes._idle]


async def _awaited(before: Callable[[], Awaitable[None]]) -> None:
    await before()


def _unwrapped(connection: Any) -> Any:
    return connection.connection if isinstance(connection, _Connection) else connection
