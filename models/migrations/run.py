"""Migrations, run from inside the program without an ini file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from spacekey.domain.errors import ConfigurationError
from spacekey.models.engine.postgres import migration_engine
from spacekey.models.engine.schema import qualified
from spacekey.models.engine.sqlite import begin_immediate
from spacekey.models.engine.store import Store, answering
from spacekey.models.tables.base import SQLITE

from .old_names import copy_in_sqlite, old_revision, remove_old_version, rename_in_postgresql
from .schema_version import REVISION_SQL, VERSION_TABLE, Schema, SchemaState, schema_from

LOCK_SECONDS = 30
"""How long a migration waits for another one, or for a table in use, before it fails without a change."""

_LOCK = 0x5A_CE_4E_11
"""Number of the advisory lock. It is arbitrary, but every version of the code must use the same."""


async def current(store: Store) -> Schema:
    """Return the schema that the database has.

    :raises Unavailable: if the database does not answer.
    """
    async with store.until_closed(), answering(), store.engine.connect() as connection:
        return await connection.run_sync(_schema, store.schema)


async def upgrade(store: Store) -> None:
    """Apply all missing migrations, or none. Of two concurrent calls, the second waits and finds nothing to do.

    An installation whose tables have their old names is renamed first. Data of other applications in the same database,
    including their ``alembic_version``, is not touched. The store's PostgreSQL schema is created if it does not exist.

    :raises ConfigurationError: if the schema is newer than this program, or its version is not one of Spacekey's.
    :raises Unavailable: if the database does not answer, or is in use for too long.
    """
    await _run(store, lambda config: command.upgrade(config, "head"))


async def downgrade(store: Store, revision: str = "base") -> None:
    """Go back to ``revision``, all or nothing. ``base`` drops every table with its data.

    :raises ConfigurationError: as :func:`upgrade`.
    :raises Unavailable: as :func:`upgrade`.
    """
    await _run(store, lambda config: command.downgrade(config, revision))


async def _run(store: Store, work: Callable[[Config], None]) -> None:
    def with_connection(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        schema = _schema(connection, store.schema)
        if schema.state in (SchemaState.NEWER, SchemaState.FOREIGN):
            raise ConfigurationError(f"SPACEKEY_DATABASE_URL: the database {schema.problem}; {schema.remedy}")
        if schema.old_names and schema.revision is not None:
            _move(config, connection, schema.revision)
        work(config)

    async with answering(), _locked(store) as connection:
        await connection.run_sync(with_connection)
        if store.dialect == SQLITE:
            await _check_foreign_keys(connection)
        async with answering(committing=True):
            await connection.commit()


def _schema(connection: Connection, schema: str | None) -> Schema:
    if inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return schema_from(connection.execute(text(qualified(REVISION_SQL, schema))).scalars().all())
    # Installations with the old names never had a schema of their own.
    revision = old_revision(connection) if schema is None else None
    return Schema(SchemaState.EMPTY) if revision is None else Schema(SchemaState.OLDER, revision, old_names=True)


def _move(config: Config, connection: Connection, revision: str) -> None:
    """Move an installation with the old table names to the same revision under the new ones."""
    if connection.dialect.name == SQLITE:
        command.upgrade(config, revision)
        copy_in_sqlite(connection, revision)
    else:
        rename_in_postgresql(connection, revision)
        command.stamp(config, revision)
    remove_old_version(connection, revision)


def _config() -> Config:
    config = Config()
    # A percent sign begins an interpolation in Alembic's settings.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


async def _check_foreign_keys(connection: AsyncConnection) -> None:
    """Raise if a row refers to a row that does not exist.

    :raises RuntimeError: if a migration left such rows; the transaction is rolled back.
    """
    broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).mappings().first()
    if broken is not None:
        table, parent = broken["table"], broken["parent"]
        raise RuntimeError(f"the migration would leave rows of '{table}' without the '{parent}' they belong to")


async def _enter_schema(connection: AsyncConnection, schema: str) -> None:
    """Make the schema the only one that names are looked up in, for the rest of the transaction.

    Migrations name tables, indexes and functions as they are called, so that one history serves every schema. Creating
    a schema needs a right on the database that using it does not, so it is created only if it does not exist.
    """
    known = "SELECT 1 FROM pg_namespace WHERE nspname = :schema"
    if (await connection.execute(text(known), {"schema": schema})).first() is None:
        await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    await connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": f'"{schema}"'})


@asynccontextmanager
async def _locked(store: Store) -> AsyncIterator[AsyncConnection]:
    """Open a connection and begin a transaction that excludes every other migration."""
    if store.dialect == SQLITE:
        async with store.until_closed(), store.engine.connect() as connection:
            # SQLite changes a table by creating another; dropping the old one must not delete the rows that refer to it
            # (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").
            await connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            try:
                await begin_immediate(connection, LOCK_SECONDS)
                yield connection
            finally:
                await connection.rollback()
                await connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        return
    # An engine of its own: a migration may take longer than any statement of the server's.
    engine = migration_engine(store.url, busy_seconds=LOCK_SECONDS)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            if store.schema is not None:
                await _enter_schema(connection, store.schema)
            yield connection
    finally:
        await engine.dispose()
