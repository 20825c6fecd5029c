"""A database whose audit log can be written to, as by someone who has taken the triggers away."""

from __future__ import annotations

from sqlalchemy import text

from spacekey.models.engine.store import SQLITE, Store


async def without_triggers(store: Store) -> None:
    """Take the triggers away that keep audit events as they are."""
    async with store.changing() as session:
        connection = await session.connection()
        if store.dialect == SQLITE:
            found = await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for (name,) in list(found):
                await connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            await connection.execute(text("ALTER TABLE spacekey_audit_events DISABLE TRIGGER USER"))
