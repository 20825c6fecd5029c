"""Connection pool of SQLAlchemy engines that leaves nothing open."""

from __future__ import annotations

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.pool import ConnectionPoolEntry


class ClosingPool(AsyncAdaptedQueuePool):
    """Pool that also closes connections which come back after an engine has disposed of it.

    SQLAlchemy's own leaves them open until they are garbage collected, which an asynchronous driver cannot do well: a
    change that is still under way when a server stops would keep its connection.
    """

    _sqla_logger_namespace = "sqlalchemy.pool.impl.AsyncAdaptedQueuePool"  # what it tells is SQLAlchemy's
    _disposed = False

    def dispose(self) -> None:
        """Close the connections that are not in use, and from now on each one that comes back."""
        self._disposed = True
        super().dispose()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._disposed:
            record.close()  # who waits for one connects again
        super()._do_return_conn(record)
