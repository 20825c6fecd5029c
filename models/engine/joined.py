"""A store whose changes belong to the transaction of an application's own session, on the same PostgreSQL database.

The application's session is left as it is: rows are read and written by a session of Spacekey's own over the same
connection, between a savepoint and its release. So they commit and roll back with the application's transaction, and a
change that is refused undoes nothing of it. What Spacekey sets for its statements is put back at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession as HostSession
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.models.tables.base import POSTGRESQL

from .postgres import refuse_standby
from .reading import Reading
from .session_reader import SessionReader
from .store import BUSY_SECONDS, Server, Store, answering
from .uncut import uncut

__all__ = ["HostSession", "JoinedStore"]

T = TypeVar("T")

_SERVER = (
    "SELECT CAST(extract(epoch FROM pg_postmaster_start_time()) AS text), "
    "(SELECT CAST(oid AS bigint) FROM pg_database WHERE datname = current_database()), pg_is_in_recovery(), "
    "current_setting('search_path'), current_setting('lock_timeout'), "
    "(SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.oid = to_regclass('spacekey_alembic_version'))"
)
"""What tells one running server and database from every other, what a change needs to set, and the tables' schema."""

_SET = "SELECT set_config('search_path', :path, true), set_config('lock_timeout', :timeout, true)"
_NOT_IN_TRANSACTION = "25P01"
_ABORTED = "25P02"


class JoinedStore(Store):
    """Store over another one whose changes are part of a session's transaction.

    Only what a change reads and writes by a session is available: nothing is committed, so nothing that takes access
    away may use it.

    :param store: the store on the same database.
    :param host: the application's session.
    """

    def __init__(self, store: Store, host: HostSession) -> None:
        vars(self).update(vars(store))
        self._own = store
        self._host = host

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose changes join the application's transaction, or are undone if the block raises.

        :raises InvalidInput: if the application's session cannot be joined; says why.
        :raises ServiceUnavailable: if the database does not answer.
        :raises Conflict: if a concurrent change broke a constraint.
        """
        async with answering():
            connection = await self._connection()
            session = AsyncSession(bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
            try:
                async with _refusing_what_has_no_transaction():
                    await session.connection()  # the savepoint
                before = await self._enter(connection)
                yield session
                await session.flush()
                await connection.execute(text(_SET), {"path": before[0], "timeout": before[1]})
                await session.commit()
            except BaseException:
                # Report the first error, not one from cleaning up. Rolling back also puts the settings back.
                with suppress(SQLAlchemyError, OSError):
                    await uncut(session.rollback())
                raise
            finally:
                await uncut(session.close())

    async def change(self, function: Reading[T]) -> T:
        """Run a function of queries in the application's transaction. See :meth:`changing`."""
        async with self.changing() as session:
            return await function(SessionReader(session))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session that also sees what the application's transaction has changed. See :meth:`changing`."""
        async with self.changing() as session:
            yield session

    async def _connection(self) -> AsyncConnection:
        """Return the connection of the application's session, whose transaction begins now if it had not begun."""
        if not isinstance(self._host, HostSession):
            raise _refused("Give an AsyncSession of SQLAlchemy.", InputCode.INVALID_TYPE)
        if self.dialect != POSTGRESQL:
            raise _refused("SQLite has one writer, so a transaction cannot be shared; leave session out.")
        if not self._host.is_active:
            raise _refused("Its transaction has failed already; roll it back first.")
        try:
            connection = await self._host.connection()
        except InvalidRequestError:
            raise _refused("It has no connection of its own to join; bind it to one engine.") from None
        if connection.dialect.name != POSTGRESQL:
            raise _refused("It is on another database; give one on the PostgreSQL database of these keys.")
        return connection

    async def _enter(self, connection: AsyncConnection) -> tuple[str, str]:
        """Look names up in Spacekey's schema and bound the waits for locks, and return how both were set before."""
        started, database, standby, path, timeout, _ = (await connection.execute(text(_SERVER))).one()
        refuse_standby(standby)
        home = await self._home((started, database))
        await connection.execute(
            text(_SET), {"path": f'"{home}"', "timeout": f"{BUSY_SECONDS * 1_000:.0f}ms" if timeout == "0" else timeout}
        )
        return path, timeout

    async def _home(self, asked: Server) -> str:
        """Return the schema of Spacekey's tables.

        :param asked: the server and database of the application's session.
        :raises InvalidInput: if these are not the store's.
        """
        if self._own.known_server is None or self._own.known_server[0] != asked:
            async with self._own.engine.connect() as own:
                started, database, *_, home = (await own.execute(text(_SERVER))).one()
            self._own.known_server = (started, database), self.schema or home or "public"
        server, home = self._own.known_server
        if server != asked:
            raise _refused("It is on another database; give one on the PostgreSQL database of these keys.")
        return home


@asynccontextmanager
async def _refusing_what_has_no_transaction() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == _ABORTED:
            raise _refused("Its transaction has failed already; roll it back first.") from None
        if state == _NOT_IN_TRANSACTION:
            raise _refused("It commits each statement by itself; give a session with transactions.") from None
        raise


def _refused(reason: str, code: InputCode = InputCode.NOT_ALLOWED) -> InvalidInput:
    return InvalidInput("session", reason, code)
