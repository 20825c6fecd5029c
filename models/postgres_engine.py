"""PostgreSQL behind SQLAlchemy: every wait has its bound, and so has the goodbye to a server that hangs."""

from __future__ import annotations

import asyncpg
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 4.0
CLOSE_SECONDS = 0.25


class PromptConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types of its own
    """A connection that is given up soon: SQLAlchemy would wait two seconds for a goodbye from a server that hangs.

    The quarter of a second is for the request to end what still runs there, and with it to let go of its locks.
    """

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own signature
        """See :meth:`asyncpg.Connection.close`."""
        await super().close(timeout=CLOSE_SECONDS if timeout is None else min(timeout, CLOSE_SECONDS))


def postgres_engine(url: URL, *, busy_seconds: float, pool_size: int, pool_wait_seconds: float) -> AsyncEngine:
    """An engine on the database; each wait, for a lock, a connection or an answer, has its bound."""
    return create_async_engine(
        url,
        hide_parameters=True,  # a traceback must not show what was bound
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_wait_seconds,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "connection_class": PromptConnection,
            "server_settings": {"lock_timeout": f"{busy_seconds * 1000:.0f}"},
        },
    )
