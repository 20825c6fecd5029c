"""Bringing a database's schema to where the code is, from inside the program: there is no ini file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from .postgres_engine import CONNECT_SECONDS
from .sqlite_engine import begin_immediate
from .store import SQLITE, Store, answering

LOCK_SECONDS = 30
"""How long a migration waits for another one, or for a table in use, before it gives up and changes nothing."""

_LOCK = 0x5A_CE_4E_11
"""The advisory lock's number: anything, as long as every version of the code uses the same."""


def head() -> str:
    """The newest revision there is in the code."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("the package holds no migrations: it was not installed whole")
    return revision


async def current(store: Store) -> str | None:
    """The revision the database is at; None for one without Spacekey's tables.

    :raises Unavailable: when the database does not answer.
    """
    async with answering(), store.engine.connect() as connection:
        return await connection.run_sync(lambda one: MigrationContext.configure(one).get_current_revision())


async def upgrade(store: Store) -> None:
    """Run what is missing up to :func:`head`, all or nothing. Two at once: the second one waits and finds it done.

    :raises Unavailable: when the database does not answer, or is in use for too long.
    """
    await _run(store, lambda config: command.upgrade(config, "head"))


async def downgrade(store: Store, revision: str = "base") -> None:
    """Go back to ``revision``, all or nothing. ``base`` drops every table and all that is in them.

    :raises Unavailable: as :func:`upgrade`.
    """
    await _run(store, lambda config: command.downgrade(config, revision))


async def _run(store: Store, work: Callable[[Config], None]) -> None:
    def with_connection(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        work(config)

    async with answering(), _locked(store) as connection:
        await connection.run_sync(with_connection)
        async with answering(committing=True):
            await connection.commit()


def _config() -> Config:
    config = Config()
    # A percent sign begins an interpolation in Alembic's settings.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@asynccontextmanager
async def _locked(store: Store) -> AsyncIterator[AsyncConnection]:
    """A connection inside a transaction that no other migration is in."""
    if store.dialect == SQLITE:
        async with store.engine.connect() as connection:
            await begin_immediate(connection, LOCK_SECONDS)
            yield connection
        return
    # An engine of its own: a migration may take longer than any statement of the server's.
    engine = create_async_engine(store.url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS})
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            yield connection
    finally:
        await engine.dispose()
