"""Reading and writing what all processes on one database agree on."""

from __future__ import annotations

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from .setting import Setting
from .upsert import insert


async def read_setting(session: AsyncSession, name: str, default: float) -> float:
    """The number kept under this name, or ``default`` when none is."""
    value = (await session.exec(select(Setting.value).where(Setting.name == name))).one_or_none()
    return default if value is None else value


async def write_setting(session: AsyncSession, name: str, value: float) -> None:
    """Keep the number under this name, instead of the one before."""
    connection = await session.connection()
    statement = insert(connection, Setting).values(name=name, value=value)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
