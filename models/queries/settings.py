"""Settings that all processes on one database share."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.engine.statements import insert
from spacekey.models.tables.base import POSTGRESQL
from spacekey.models.tables.setting import Setting

_STALENESS_LOCK = 0x53504B31
"""Advisory lock for using or changing T; an arbitrary number that nothing else in the database uses."""


_DURABLE = """set_config('synchronous_commit', CASE
    WHEN current_setting('synchronous_standby_names') <> ''
        AND current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN 'on'
    WHEN current_setting('synchronous_commit') = 'off' THEN 'local'
    ELSE current_setting('synchronous_commit') END, true)"""


async def read_setting(session: AsyncSession, name: str, default: float) -> float:
    """Return the number stored under this name, or ``default``."""
    value = (await session.exec(select(Setting.value).where(Setting.name == name))).one_or_none()
    return default if value is None else value


async def write_setting(session: AsyncSession, name: str, value: float) -> None:
    """Store a number under this name, replacing any earlier one."""
    connection = await session.connection()
    statement = insert(connection, Setting).values(name=name, value=value)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


async def hold_staleness(session: AsyncSession, *, to_change: bool = False) -> None:
    """Prevent changes of T until the transaction ends; with ``to_change`` exclude its other users too.

    The commit is written to disk, and to the synchronous standby if one is configured, whatever ``synchronous_commit``
    is: a revocation that was answered must survive a crash.

    Only PostgreSQL needs it: SQLite has one writer at a time, and always writes to disk.
    """
    connection = await session.connection()
    if connection.dialect.name == POSTGRESQL:
        function = "pg_advisory_xact_lock" if to_change else "pg_advisory_xact_lock_shared"
        await connection.execute(text(f"SELECT {function}(:key), {_DURABLE}"), {"key": _STALENESS_LOCK})
