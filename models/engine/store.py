"""The database: one engine, sessions that read, sessions that change, and one word for "it cannot answer"."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Conflict, InvalidInput
from spacekey.models.tables.base import POSTGRESQL, SQLITE

from .database_url import database_url, postgres_target
from .outage import BARE, is_bad_input, is_busy, outage_of
from .postgres import STATEMENT_SECONDS, postgres_engine, refuse_standby
from .postgres_reads import PostgresReads
from .reading import Reading
from .sqlite import SqliteFile, begin_immediate, sqlite_engine
from .sqlite_reads import SqliteReads

__all__ = ["POSTGRESQL", "SQLITE", "Store", "answering", "database_url"]

T = TypeVar("T")

BUSY_SECONDS = 3.0
POOL_SIZE = 6
READ_POOL_SIZE = 4
POOL_WAIT_SECONDS = 5.0
READ_WAIT_SECONDS = 1.5
"""How long a read waits for its connection: less than whoever waits for a verification or for ``/readyz``."""

CHANGE_WAIT_SECONDS = 3.0

_WRITABLE = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean"
_STANDBYS = "SELECT current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)"


class Store:
    """Sessions on one database: a read sees what is committed, a change is one transaction or nothing.

    :param url: ``sqlite+aiosqlite:///file.db`` or ``postgresql+asyncpg://user:password@host/name``.
    :param busy_seconds: how long to wait for what somebody else has locked.
    :raises ConfigurationError: for any other kind of URL.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = database_url(url)
        self.dialect = self.url.get_backend_name()
        self._busy_seconds = busy_seconds
        self._file = SqliteFile(self.url.database or "") if self.dialect == SQLITE else None
        self.engine = _engine(self.url, self._file, busy_seconds)
        self._reads = _reads(self.url, self._file, busy_seconds)
        # SQLite has one writer: waiting here is fair and cheap, waiting inside SQLite is a spin.
        self._writer = asyncio.Lock() if self.dialect == SQLITE else None

    async def read(self, function: Reading[T]) -> T:
        """Run a function of queries on the raw driver, in one hop.

        :raises Unavailable: when the database does not answer.
        """
        async with answering():
            return await self._reads.run(function)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading.

        :raises Unavailable: when the database does not answer.
        """
        with_session = AsyncSession(self.engine, expire_on_commit=False, autoflush=False)
        async with answering(), with_session as session:
            async with asyncio.timeout(READ_WAIT_SECONDS):
                await session.connection()
            yield session

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed when the block ends well and rolled back when it raises.

        :raises Unavailable: when the database does not answer; it says whether a change may have been made.
        :raises Conflict: when somebody else's change at the same moment broke a constraint.
        """
        if self._writer is None:
            async with self._transaction() as session:
                yield session
        else:
            until = time.monotonic() + self._busy_seconds
            async with self._only_writer(self._writer), self._transaction() as session:
                # Waiting for one's turn and for the lock is one wait.
                await begin_immediate(await session.connection(), until - time.monotonic())
                yield session

    @asynccontextmanager
    async def _only_writer(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        async with answering(), asyncio.timeout(self._busy_seconds):
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with answering():
            session = AsyncSession(self.engine, expire_on_commit=False)
            try:
                async with asyncio.timeout(CHANGE_WAIT_SECONDS):
                    await session.connection()
                yield session
                # Until here a cancellation undoes everything; a commit that has begun is not cut off any more.
                await session.flush()
            except BaseException:
                # What went wrong first is what the caller must hear.
                with suppress(SQLAlchemyError, OSError):
                    await uncut(_undo(session))
                raise
        async with answering(committing=True):
            note_change()
            await uncut(_commit(session))
            if self._file is not None:
                self._file.check()

    async def ping(self) -> None:
        """Ask the database whether it answers and can be written to.

        :raises Unavailable: it does not, or cannot.
        """
        async with answering(), asyncio.timeout(READ_WAIT_SECONDS):
            if self.dialect == SQLITE:
                await self._ping_sqlite()
                return
            async with self.reading() as session:
                row = (await (await session.connection()).execute(text(_WRITABLE))).one()
        refuse_standby(row[0])
        if row[1]:
            raise Unavailable(
                "PostgreSQL answers, and is read-only; set default_transaction_read_only=off for this user and database"
            )

    async def _ping_sqlite(self) -> None:
        async with self.reading() as session:
            connection = await session.connection()
            try:
                await begin_immediate(connection, 0)
            except DBAPIError as error:
                if not is_busy(error):  # who waits for a writer can write
                    raise
            else:
                await connection.rollback()

    async def failover(self) -> str | None:
        """Tell what becomes of an acknowledged revocation when a standby is promoted.

        :returns: ``"synchronous"`` where commits wait for a standby, ``"asynchronous"`` where they do not and a standby
            is connected, None where there is none, and on SQLite.
        :raises Unavailable: the database does not answer.
        """
        if self.dialect == SQLITE:
            return None
        async with answering(), asyncio.timeout(READ_WAIT_SECONDS), self.reading() as session:
            names, standbys = (await (await session.connection()).execute(text(_STANDBYS))).one()
        if names.strip():
            return "synchronous"
        return "asynchronous" if standbys else None

    async def aclose(self) -> None:
        """Give back all connections."""
        await self._reads.aclose()
        await self.engine.dispose()


async def _commit(session: AsyncSession) -> None:
    async with session:
        await session.commit()


async def _undo(session: AsyncSession) -> None:
    async with session:
        await session.rollback()


def _engine(url: URL, file: SqliteFile | None, busy_seconds: float) -> AsyncEngine:
    if file is not None:
        return sqlite_engine(url, file, busy_seconds=busy_seconds, pool_wait_seconds=POOL_WAIT_SECONDS)
    return postgres_engine(url, busy_seconds=busy_seconds, pool_size=POOL_SIZE, pool_wait_seconds=POOL_WAIT_SECONDS)


def _reads(url: URL, file: SqliteFile | None, busy_seconds: float) -> SqliteReads | PostgresReads:
    if file is not None:
        return SqliteReads(url.database or "", file, busy_seconds=busy_seconds, wait_seconds=READ_WAIT_SECONDS)
    return PostgresReads(
        postgres_target(url),
        pool_size=READ_POOL_SIZE,
        wait_seconds=READ_WAIT_SECONDS,
        statement_seconds=STATEMENT_SECONDS,
    )


@asynccontextmanager
async def answering(*, committing: bool = False) -> AsyncIterator[None]:
    """Turn every way of "the database did not answer" into one error; its text may name hosts, so it is not kept.

    :param committing: whether what is inside sends a commit.
    :raises Unavailable: it did not answer, or refused for reasons of its own.
    :raises InvalidInput: it refused a value.
    :raises Conflict: it refused a change because of another one.
    """
    try:
        yield
    except IntegrityError as error:
        raise Conflict("Somebody changed this at the same moment. Look again, then repeat what is still needed.") from (
            error.orig if isinstance(error.orig, sqlite3.Error) else None
        )
    except (DBAPIError, sqlite3.Error, *BARE, PoolTimeoutError, OSError) as error:
        # TimeoutError and ConnectionError are OSErrors.
        outage = outage_of(error)
        if outage is None:
            if is_bad_input(error):
                raise InvalidInput("input", "A value is too long, too large or not of the kind it must be.") from None
            raise
        raise Unavailable(outage, may_have_changed=committing or change_begun()) from None
    except Unavailable as error:
        error.may_have_changed = error.may_have_changed or committing or change_begun()
        raise


class _Changes:
    """Shared by all tasks of one request, which copy the context but not what is in it."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


_changes: ContextVar[_Changes | None] = ContextVar("spacekey_changes", default=None)


@contextmanager
def watched_changes() -> Iterator[None]:
    """Around one request or command: what fails in it later knows whether a change was begun before."""
    token = _changes.set(_Changes())
    try:
        yield
    finally:
        _changes.reset(token)


def note_change() -> None:
    """A commit is about to be sent. Without one, nothing is ever written."""
    changes = _changes.get()
    if changes is not None:
        changes.begun = True


def change_begun() -> bool:
    """Whether a commit has been sent in this request or command."""
    changes = _changes.get()
    return changes is not None and changes.begun


Result = TypeVar("Result")


async def uncut(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait until ``work`` has ended, in a task of its own, however often the waiting task is cancelled meanwhile.

    The work brings its own bound: nothing here ends it.

    :raises asyncio.CancelledError: after the work, when the waiting task was cancelled; it comes before what the work
        raised, because a cancellation that is swallowed would let a deadline or a task group wait forever.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            # Unlike a shield this leaves the work's own error where it is.
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    # The work's error must be looked at, or the loop would report it as never retrieved.
    raise cancelled from (None if task.cancelled() else task.exception())
