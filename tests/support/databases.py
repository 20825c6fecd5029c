"""Fresh, migrated, empty databases of both kinds, each made by copying one that was migrated before."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.lookup.facts import TokenLookup
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.migrations.run import upgrade

from .postgres import ADMIN, PostgresServer, in_a_thread

TEMPLATE = "spacekey_template"
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 2**30
_numbers = itertools.count()
T = TypeVar("T")


def folder_in_memory() -> Path | None:
    """Return where files cost no disk, or None on a machine without room for it: no test asks what a disk keeps."""
    try:
        free = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    return MEMORY if free >= MEMORY_BYTES_MIN and os.access(MEMORY, os.W_OK) else None


def migrate_postgres(server: PostgresServer) -> None:
    """Make the database that the others are copies of."""
    server.execute(f"CREATE DATABASE {TEMPLATE}")
    migrate(server.url(TEMPLATE))


def migrate(url: str) -> None:
    """Bring the database at this URL to the newest schema."""

    async def work() -> None:
        store = Store(url)
        try:
            await upgrade(store)
        finally:
            await store.aclose()

    in_a_thread(work)


@contextmanager
def postgres_database(server: PostgresServer, template: str = TEMPLATE, *, pooled: bool = False) -> Iterator[str]:
    """The URL of a new database, dropped afterwards, when nothing may be connected to it any more.

    :param template: ``template0`` gives one without tables.
    :param pooled: whether a pooler keeps connections to it.
    """
    name = f"test_{os.getpid()}_{next(_numbers)}"
    # Copying files is cheaper here than PostgreSQL's default, which logs every page.
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    left_open = 0

    async def count(connection: asyncpg.Connection) -> None:
        nonlocal left_open
        left_open = await _left_open(connection, name)

    try:
        yield server.url(name)
    finally:
        if not pooled:
            server.using(ADMIN, count)
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _check_closed(left_open)


class EmptiedDatabases:
    """Databases on one server that tests use one after the other, emptied in between over a connection that stays open.

    A database in which a test changed anything but rows, or wrote more than :data:`REUSED_BYTES_MAX`, is dropped.

    A test that leaves a connection open fails: what nothing closes stays until it is garbage collected, and then
    another test is blamed for it.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._runner = asyncio.Runner()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._idle: list[tuple[str, asyncpg.Connection]] = []
        self._shape = ""
        self._empty = ""
        server.using(TEMPLATE, self._learn)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a migrated, empty database."""
        name, connection = self._idle.pop() if self._idle else self._created()
        left_open = 0
        try:
            yield self._server.url(name)
        finally:
            try:
                left_open = self._run(lambda: _left_open(connection, name))
                as_before = self._run(lambda: self._emptied(connection))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                as_before = False  # the test ended this connection too
            if as_before:
                self._idle.append((name, connection))
            else:
                self._server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                self._run(lambda: _close(connection))
        _check_closed(left_open)

    def close(self) -> None:
        """Close the connections."""
        for _, connection in self._idle:
            self._run(partial(_close, connection))
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _run(self, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._thread.submit(lambda: self._runner.run(start())).result()

    async def _emptied(self, connection: asyncpg.Connection) -> bool:
        await connection.execute(_LET_GO)
        shape, size = await connection.fetchrow(_SHAPE)
        if shape != self._shape or size > REUSED_BYTES_MAX:
            return False
        if size:
            await connection.execute(self._empty)
        return True

    async def _learn(self, connection: asyncpg.Connection) -> None:
        self._shape, size = await connection.fetchrow(_SHAPE)
        if size:
            raise RuntimeError("the migrations write rows, which emptying a database would remove")
        found = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = sorted(row[0] for row in found if not row[0].endswith("alembic_version"))
        self._empty = "; ".join(("SET session_replication_role = replica", *(f"DELETE FROM {one}" for one in names)))

    def _created(self) -> tuple[str, asyncpg.Connection]:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        return name, self._run(lambda: self._server.connect(name))


async def _left_open(connection: asyncpg.Connection, database: str) -> int:
    """Return how many other connections to the database stay open; the server takes a moment to notice a close."""
    deadline = time.monotonic() + NOTICED_SECONDS_MAX
    while True:
        count = int(await connection.fetchval(_OTHERS, database))
        if count == 0 or time.monotonic() > deadline:
            return count
        await asyncio.sleep(0.01)


def _check_closed(left_open: int) -> None:
    if left_open:
        raise AssertionError(f"the test left {left_open} connections to its database open")


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=60)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


REUSED_BYTES_MAX = 2**20
NOTICED_SECONDS_MAX = 10.0
_OTHERS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
_LET_GO = """SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_SHAPE = """
    SELECT md5(string_agg(fact, ' ' ORDER BY fact)),
        (SELECT coalesce(sum(pg_relation_size(oid)), 0) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ 'alembic_version$')
    FROM (
        SELECT concat_ws(' ', relname, relkind, reltuples, relowner, relacl, reloptions) AS fact FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, atttypid, atttypmod, attnotnull, attnum)
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0
        UNION ALL SELECT concat_ws(' ', conname, pg_get_constraintdef(oid), convalidated)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', indexrelid::regclass, indisvalid, pg_get_indexdef(indexrelid))
            FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
        UNION ALL SELECT concat_ws(' ', setrole, setconfig) FROM pg_db_role_setting
            JOIN pg_database d ON d.oid = setdatabase WHERE d.datname = current_database()
        UNION ALL SELECT version_num FROM spacekey_alembic_version
    ) facts"""
"""What a database is besides its rows, and how large its tables are. Row counts are known only after ANALYZE."""


def sqlite_database(folder: Path, template: Path | None) -> str:
    """The URL of a new database file in ``folder``: a copy of ``template``, or none yet."""
    file = folder / f"spacekey-{next(_numbers)}.db"
    if template is not None:
        shutil.copy(template, file)
    return f"sqlite+aiosqlite:///{file}"


def lookup_on(store: Store) -> TokenLookup:
    """The hot lookup on the store's database."""
    if store.dialect == SQLITE:
        return SqliteLookup(str(store.url.database), batch_seconds=20)
    return PostgresLookup(store.url, deadline_seconds=20)
