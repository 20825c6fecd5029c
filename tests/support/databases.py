"""Fresh, migrated, empty databases of both kinds, each made by copying one that was migrated before."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.lookup.facts import TokenLookup
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.migrations.run import upgrade

from .postgres import PostgresServer, in_a_thread

TEMPLATE = "spacekey_template"
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 2**30
_numbers = itertools.count()


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
def postgres_database(server: PostgresServer, template: str = TEMPLATE) -> Iterator[str]:
    """The URL of a new database, dropped afterwards. ``template0`` gives one without tables."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    # Copying files is cheaper here than PostgreSQL's default, which logs every page.
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield server.url(name)
    finally:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def sqlite_database(folder: Path, template: Path | None) -> str:
    """The URL of a new database file in ``folder``: a copy of ``template``, or none yet."""
    file = folder / f"spacekey-{next(_numbers)}.db"
    if template is not None:
        shutil.copy(template, file)
    return f"sqlite+aiosqlite:///{file}"


def lookup_on(store: Store) -> TokenLookup:
    """The hot lookup on the store's database."""
    if store.dialect == SQLITE:
        return SqliteLookup(str(store.url.database))
    return PostgresLookup(store.url, deadline_seconds=20)
