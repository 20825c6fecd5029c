"""Running a statement whose result rows have several columns."""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Result, Select
from sqlalchemy.ext.asyncio import AsyncSession as SqlalchemyAsyncSession
from sqlmodel.ext.asyncio.session import AsyncSession

Columns = TypeVarTuple("Columns")


async def result_of(session: AsyncSession, statement: Select[*Columns]) -> Result[*Columns]:
    """The result with whole rows.

    SQLModel's own ``exec`` cuts the rows of a select that began with one column down to that column, whatever was
    added to it later, and its ``execute`` warns.
    """
    return await SqlalchemyAsyncSession.execute(session, statement)
