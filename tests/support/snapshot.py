"""Everything a database holds, to see whether anything changed."""

from __future__ import annotations

from sqlalchemy import select

from spacekey.models.engine.store import Store
from spacekey.models.tables.registry import metadata


async def snapshot(store: Store) -> dict[str, list[str]]:
    """Table → its rows as text, sorted."""
    async with store.reading() as session:
        connection = await session.connection()
        return {
            name: sorted(repr(tuple(row)) for row in await connection.execute(select(table)))
            for name, table in sorted(metadata.tables.items())
        }
