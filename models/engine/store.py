"""Store: reads and changes of one database, one exception for outages, and protection of commits.

It also records whether a request has sent a commit, because only then may it have changed something
(:func:`watched_changes`).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Generic, TypeAlias, TypeVar

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.external import external_id_taken
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput
from spacekey.models.tables.base import POSTGRESQL, SQLITE

from .database_url import database_url, postgres_target
from .outage import BARE, BROKEN_CONSTRAINT, is_bad_input, is_busy, outage_of
from .postgres import STATEMENT_SECONDS, postgres_engine, refuse_standby
from .postgres_changes import PostgresChanges
from .postgres_reads import PostgresReads
from .reading import Commit, Reading
from .schema import checked_schema
from .session_reader import SessionReader
from .sqlite import SqliteFile, begin_immediate, sqlite_engine
from .sqlite_changes import SqliteChanges
from .sqlite_reads import SqliteReads
from .uncut import uncut

__all__ = ["POSTGRESQL", "SQLITE", "Store", "answering", "database_url"]
T = TypeVar("T")
Result = TypeVar("Result")
BUSY_SECONDS = 3.0
POOL_SIZE = 6
"""How many connections to PostgreSQL are for changes."""
PROMPT_POOL_SIZE = 2
"""How many of them are for :meth:`Store.change`, which needs one for a millisecond or two; the others are sessions'."""
READ_POOL_SIZE = 4
POOL_WAIT_SECONDS = 5.0
READ_WAIT_SECONDS = 1.5
"""How long a read waits for its connection: less than a verification or ``/readyz`` is waited for."""

CHANGE_WAIT_SECONDS = 3.0
_WRITABLE = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean"
_STANDBYS = "SELECT current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)"
Server: TypeAlias = tuple[str, int]
"""When a PostgreSQL server was started, and the number of one of its databases."""

_changes: ContextVar[_Changes | None] = ContextVar("spacekey_changes", default=None)


class Store:
    """Sessions on one database. A read sees committed data, and a change is one transaction.

    :param url: ``sqlite+aiosqlite:///file.db`` or ``postgresql+asyncpg://user:password@host/name``.
    :param schema: the PostgreSQL schema of the tables; None for the first of the connection's ``search_path``.
    :param busy_seconds: how long to wait for locks that others hold.
    :raises ConfigurationError: for any other kind of URL, or a schema that cannot be one.
    """

    def __init__(self, url: str, *, schema: str | None = None, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = database_url(url)
        self.dialect = self.url.get_backend_name()
        self.schema = checked_schema(schema, self.dialect)
        self._busy_seconds = busy_seconds
        self._file = SqliteFile(self.url.database or "") if self.dialect == SQLITE else None
        self.engine = _engine(self.url, self._file, busy_seconds, self.schema)
        self._reads = _reads(self.url, self._file, busy_seconds, self.schema)
        self._changes = _changes_on(self.url, self._file, busy_seconds, self.schema)
        # SQLite allows one writer: waiting here is fair and cheap, while SQLite itself would poll.
        self._writer = asyncio.Lock() if self.dialect == SQLITE else None
        self._closings = 0
        self.known_server: tuple[Server, str] | None = None
        """The PostgreSQL server and database that answered last, and the schema of the tables there."""

    async def read(self, function: Reading[T]) -> T:
        """Run a function of queries on the raw driver, in one hop.

        :raises ServiceUnavailable: if the database does not answer.
        """
        async with answering():
            return await self._reads.run(function)

    async def change(self, function: Reading[T]) -> T:
        """Run a function of queries as one change, in one hop. It is committed, or undone if the function raises.

        :raises ServiceUnavailable: if the database does not answer; the error says whether a change may have been made.
        :raises Conflict: if a concurrent change broke a constraint.
        """
        commit = Commit(note_change)
        try:
            async with self.until_closed(), answering():
                if isinstance(self._changes, PostgresChanges):
                    return await self._changes.run(function, commit)
                until = time.monotonic() + self._busy_seconds
                async with self._turn():
                    return await self._changes.run(function, until, commit)
        except ServiceUnavailable as error:
            error.may_have_changed = error.may_have_changed or commit.is_sent
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session for reading.

        :raises ServiceUnavailable: if the database does not answer.
        """
        with_session = AsyncSession(self.engine, expire_on_commit=False, autoflush=False)
        async with self.until_closed(), answering(), with_session as session:
            async with asyncio.timeout(READ_WAIT_SECONDS):
                await session.connection()
            yield session

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose changes are committed at the end of the block, or rolled back if it raises.

        :raises ServiceUnavailable: if the database does not answer; the error says whether a change may have been made.
        :raises Conflict: if a concurrent change broke a constraint.
        """
        until = time.monotonic() + self._busy_seconds
        async with self.until_closed(), self._turn(), self._transaction() as session:
            if self.dialect == SQLITE:
                # Waiting for a turn and for the lock share one time limit.
                await begin_immediate(await session.connection(), until - time.monotonic())
            yield session

    @asynccontextmanager
    async def until_closed(self) -> AsyncIterator[None]:
        """Close what a use has opened after the store was closed, if it was closed meanwhile."""
        closings = self._closings
        try:
            yield
        finally:
            if closings != self._closings:
                await uncut(close_in_turn(self._changes.aclose, self.engine.dispose))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for the turn to change an SQLite file."""
        if self._writer is None:
            yield
            return
        async with answering(), asyncio.timeout(self._busy_seconds):
            await self._writer.acquire()
        try:
            yield
        finally:
            self._writer.release()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with answering():
            session = AsyncSession(self.engine, expire_on_commit=False)
            try:
                async with asyncio.timeout(CHANGE_WAIT_SECONDS):
                    await session.connection()
                yield session
                # Before this line a cancellation undoes everything; a commit that has begun is not interrupted.
                await session.flush()
            except BaseException:
                # Report the first error, not one from cleaning up.
                with suppress(SQLAlchemyError, OSError):
                    await uncut(_undo(session))
                raise
        async with answering(committing=True):
            note_change()
            await uncut(_commit(session))
            if self._file is not None:
                self._file.check()

    async def ping(self) -> None:
        """Check that the database answers and can be written to.

        :raises ServiceUnavailable: if it does not or cannot.
        """
        async with answering(), asyncio.timeout(READ_WAIT_SECONDS):
            if self.dialect == SQLITE:
                await self._ping_sqlite()
                return
            async with self.reading() as session:
                row = (await (await session.connection()).execute(text(_WRITABLE))).one()
        refuse_standby(row[0])
        if row[1]:
            raise ServiceUnavailable(
                "PostgreSQL is read-only; set default_transaction_read_only=off for this user and database"
            )

    async def _ping_sqlite(self) -> None:
        async with self.reading() as session:
            connection = await session.connection()
            try:
                await begin_immediate(connection, 0)
            except DBAPIError as error:
                if not is_busy(error):  # a database that waits for a writer can be written to
                    raise
            else:
                await connection.rollback()

    async def failover(self) -> str | None:
        """Return whether an acknowledged revocation survives the promotion of a standby.

        :returns: ``"synchronous"`` if commits wait for a standby, ``"asynchronous"`` if they do not and a standby is
            connected, None if there is none, and for SQLite.
        :raises ServiceUnavailable: if the database does not answer.
        """
        if self.dialect == SQLITE:
            return None
        async with answering(), asyncio.timeout(READ_WAIT_SECONDS), self.reading() as session:
            names, standbys = (await (await session.connection()).execute(text(_STANDBYS))).one()
        if names.strip():
            return "synchronous"
        return "asynchronous" if standbys else None

    async def aclose(self) -> None:
        """Close all connections, also if it is cancelled; one that is in use, after its read or change."""
        self._closings += 1
        await uncut(close_in_turn(self._reads.aclose, self._changes.aclose, self.engine.dispose))


class Rehearsal(Store, Generic[T]):
    """A store whose changes are undone at the end of their transaction, on the connections of another store.

    What a change would do can be measured, with all of its checks, and nothing is written.

    :param measure: called in the transaction of each change, before it and after it; it only reads.
    """

    def __init__(self, store: Store, measure: Callable[[AsyncSession], Awaitable[T]]) -> None:
        vars(self).update(vars(store))
        self._measure = measure
        self.measured: list[tuple[T, T]] = []
        """What was measured before and after each change."""

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose changes are measured and rolled back at the end of the block."""
        try:
            async with super().changing() as session:
                before = await self._measure(session)
                session.expunge_all()  # the change reads everything itself, under its locks
                yield session
                await session.flush()
                self.measured.append((before, await self._measure(session)))
                session.expunge_all()  # a rollback would empty the objects that the change returns
                raise _Rehearsed
        except _Rehearsed:
            pass

    async def change(self, function: Reading[Result]) -> Result:
        """Run a function of queries, measure what it changes and undo it."""
        async with self.changing() as session:
            return await function(SessionReader(session))


class _Rehearsed(Exception):
    """Rolls a rehearsed change back."""


@asynccontextmanager
async def answering(*, committing: bool = False) -> AsyncIterator[None]:
    """Turn every kind of outage into one exception, without the error's text, which may name hosts.

    :param committing: whether the block sends a commit.
    :raises ServiceUnavailable: if the database did not answer, or refused for reasons of its own.
    :raises InvalidInput: if it refused a value.
    :raises Conflict: if it refused a change because of a concurrent one.
    """
    try:
        yield
    except IntegrityError as error:
        raise _conflict_of(error.orig) from (error.orig if isinstance(error.orig, sqlite3.Error) else None)
    except BROKEN_CONSTRAINT as error:
        raise _conflict_of(error) from None
    except (DBAPIError, sqlite3.Error, *BARE, PoolTimeoutError, OSError) as error:
        # TimeoutError and ConnectionError are OSErrors.
        outage = outage_of(error)
        if outage is None:
            if is_bad_input(error):
                raise InvalidInput(
                    "input", "A value is too long, too large or of the wrong type.", InputCode.INVALID_FORMAT
                ) from None
            raise
        raise ServiceUnavailable(outage, may_have_changed=committing or change_begun()) from None
    except ServiceUnavailable as error:
        error.may_have_changed = error.may_have_changed or committing or change_begun()
        raise


def _conflict_of(error: BaseException | None) -> Conflict:
    """Return the refusal for a broken constraint. The text, which may hold values, is looked into and not kept."""
    if "external_id" in str(error):
        return external_id_taken()
    return Conflict(
        "This was changed at the same time. Reload it, then repeat your change if it is still needed.",
        ConflictCode.CONCURRENT_CHANGE,
    )


@contextmanager
def watched_changes() -> Iterator[None]:
    """Record, within the context, whether one request or command has begun a change, for later failures in it."""
    token = _changes.set(_Changes())
    try:
        yield
    finally:
        _changes.reset(token)


def note_change() -> None:
    """Record that a commit is about to be sent. Nothing is written without one."""
    changes = _changes.get()
    if changes is not None:
        changes.begun = True


def change_begun() -> bool:
    """Return whether a commit has been sent in this request or command."""
    changes = _changes.get()
    return changes is not None and changes.begun


class _Changes:
    """State shared by all tasks of one request, which copy the context but not the object in it."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


async def _commit(session: AsyncSession) -> None:
    async with session:
        await session.commit()


async def _undo(session: AsyncSession) -> None:
    async with session:
        await session.rollback()


def _engine(url: URL, file: SqliteFile | None, busy_seconds: float, schema: str | None) -> AsyncEngine:
    if file is not None:
        return sqlite_engine(url, file, busy_seconds=busy_seconds, pool_wait_seconds=POOL_WAIT_SECONDS)
    return postgres_engine(
        url,
        busy_seconds=busy_seconds,
        pool_size=POOL_SIZE - PROMPT_POOL_SIZE,
        pool_wait_seconds=POOL_WAIT_SECONDS,
        schema=schema,
    )


def _reads(url: URL, file: SqliteFile | None, busy_seconds: float, schema: str | None) -> SqliteReads | PostgresReads:
    if file is not None:
        return SqliteReads(url.database or "", file, busy_seconds=busy_seconds, wait_seconds=READ_WAIT_SECONDS)
    return PostgresReads(
        postgres_target(url),
        pool_size=READ_POOL_SIZE,
        wait_seconds=READ_WAIT_SECONDS,
        statement_seconds=STATEMENT_SECONDS,
        schema=schema,
    )


def _changes_on(
    url: URL, file: SqliteFile | None, busy_seconds: float, schema: str | None
) -> SqliteChanges | PostgresChanges:
    if file is not None:
        return SqliteChanges(url.database or "", file, busy_seconds=busy_seconds)
    return PostgresChanges(
        postgres_target(url),
        pool_size=PROMPT_POOL_SIZE,
        wait_seconds=CHANGE_WAIT_SECONDS,
        statement_seconds=STATEMENT_SECONDS,
        busy_seconds=busy_seconds,
        schema=schema,
    )
