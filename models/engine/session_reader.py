"""Queries on the raw driver within the transaction of a session, so that each is written once for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlmodel.ext.asyncio.session import AsyncSession

from .reading import Reader, ResultRow, Values
from .schema import qualified


class SessionReader(Reader):
    """Reader on the connection of a session. It sees what the session has changed."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.dialect = session.get_bind().dialect.name

    async def rows(self, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
        """See :meth:`Reader.rows`."""
        if self._session.autoflush:
            await self._session.flush()
        connection = await self._session.connection()
        options = {} if connection.sync_connection is None else connection.sync_connection.get_execution_options()
        asked = qualified(statement, (options.get("schema_translate_map") or {}).get(None))
        result = await connection.exec_driver_sql(asked, () if values is None else tuple(values.given))
        return result.all() if result.returns_rows else ()


Transaction: TypeAlias = AsyncSession | Reader
"""Change in progress: by a session, or by a function of queries."""


def reader_in(transaction: Transaction) -> Reader:
    """Return what queries run on within a change."""
    return transaction if isinstance(transaction, Reader) else SessionReader(transaction)
