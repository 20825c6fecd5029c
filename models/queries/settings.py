"""Reading and writing what all processes on one database agree on."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.engine.statements import insert
from spacekey.models.tables.base import POSTGRESQL
from spacekey.models.tables.setting import Setting

_STALENESS_LOCK = 0x53504B31
"""The advisory lock of whoever relies on T or changes it; any number that nothing else in the database uses."""


_DURABLE = """set_config('synchronous_commit', CASE
    WHEN current_setting('synchronous_standby_names') <> ''
        AND current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN 'on'
    WHEN current_setting('synchronous_commit') = 'off' THEN 'local'
    ELSE current_setting('synchronous_commit') END, true)"""


async def read_setting(session: AsyncSession, name: str, default: float) -> float:
    """The number kept under this name, or ``default`` when none is."""
    value = (await session.exec(select(Setting.value).where(Setting.name == name))).one_or_none()
    return default if value is None else value


async def write_setting(session: AsyncSession, name: str, value: float) -> None:
    """Keep the number under this name, instead of the one before."""
    connection = await session.connection()
    statement = insert(connection, Setting).values(name=name, value=value)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


async def hold_staleness(session: AsyncSession, *, to_change: bool = False) -> None:
    """Until the transaction ends, nobody changes T; ``to_change``: and nobody else relies on it either.

    Its commit is written to disk, and to the synchronous standby where one is named, whatever ``synchronous_commit``
    is set to: a revocation that was answered must outlive a crash.

    Only PostgreSQL needs it: SQLite has one writer at a time, and always writes to disk.
    """
    connection = await session.connection()
    if connection.dialect.name == POSTGRESQL:
        function = "pg_advisory_xact_lock" if to_change else "pg_advisory_xact_lock_shared"
        await connection.execute(text(f"SELECT {function}(:key), {_DURABLE}"), {"key": _STALENESS_LOCK})
