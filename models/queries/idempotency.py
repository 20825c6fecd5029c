"""Queries of idempotency keys."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.tables.idempotency import IdempotencyKey


async def idempotency_key(
    session: AsyncSession, caller_id: str, operation: str, key_digest: bytes
) -> IdempotencyKey | None:
    """Return what is stored under a caller's key, whatever its age."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.caller_id == caller_id,
        IdempotencyKey.operation == operation,
        IdempotencyKey.key_digest == key_digest,
    )
    return (await session.exec(statement)).one_or_none()


async def forget_idempotency_keys(session: AsyncSession, until: datetime, *, most: int) -> None:
    """Delete the oldest keys that were stored at ``until`` or earlier, at most ``most`` of them.

    On PostgreSQL, keys that another transaction is deleting are left to it.
    """
    table = IdempotencyKey.__table__
    key = sa.tuple_(table.c.caller_id, table.c.operation, table.c.key_digest)
    oldest = (
        sa.select(table.c.caller_id, table.c.operation, table.c.key_digest)
        .where(col(IdempotencyKey.created_at) <= until)
        .order_by(table.c.created_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    connection = await session.connection()
    await connection.execute(sa.delete(table).where(key.in_(oldest)))
