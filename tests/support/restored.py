"""Backups of a test's database, made as docs/how-to/back-up-and-restore.md says, and databases restored from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from spacekey.models.engine.store import SQLITE, Store
from spacekey.resolvers.audit.chains import all_chains
from spacekey.resolvers.audit.log import export_chain
from spacekey.resolvers.system import System

from .databases import postgres_database
from .postgres import PostgresServer


def back_up(store: Store, file: Path, server: Callable[[], PostgresServer]) -> Path:
    """Write a backup of the database, which may go on, into a file."""
    if store.dialect == SQLITE:
        with closing(sqlite3.connect(store.url.database or "")) as connection:
            connection.execute("VACUUM INTO ?", (str(file),))
    else:
        file.write_bytes(server().dump(store.url.database or ""))
    return file


@contextmanager
def restored(kind: str, backup: Path, server: Callable[[], PostgresServer]) -> Iterator[str]:
    """The URL of a database made from a backup."""
    if kind == SQLITE:
        copy = backup.with_name(f"restored-{backup.name}")
        copy.write_bytes(backup.read_bytes())
        yield f"sqlite+aiosqlite:///{copy}"
        return
    with postgres_database(server(), "template0") as url:
        server().restore(url.partition("?")[0].rpartition("/")[2], backup.read_bytes())
        yield url


async def export_of(system: System, *chains: str) -> list[tuple[str, str]]:
    """The lines of an export of these chains, or of all, each with its place."""
    names = chains or await all_chains(system)
    lines = [line for name in names async for line in export_chain(system, name)]
    return [(f"line {number}", line) for number, line in enumerate(lines, 1)]
