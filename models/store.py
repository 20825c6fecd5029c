"""The database: one engine, sessions that read, sessions that change, and one word for "it cannot answer"."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import ConfigurationError, Unavailable
from spacekey.domain.refusal import Conflict

from .sqlite_engine import sqlite_engine
from .uncut import uncut

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
BUSY_SECONDS = 5.0
POOL_SIZE = 10
POOL_WAIT_SECONDS = 5.0
CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 10.0

_SQLITE_OUTAGES = (
    *("locked", "busy", "unable to open", "disk i/o", "closed", "readonly", "full"),
    *("malformed", "not a database"),
)

# SQLAlchemy wraps what its driver raises, except while it prepares a connection that it has just opened.
_BARE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Store:
    """Sessions on one database: a read sees what is committed, a change is one transaction or nothing.

    :param url: ``sqlite+aiosqlite:///file.db`` or ``postgresql+asyncpg://user:password@host/name``.
    :param busy_seconds: how long to wait for what somebody else has locked.
    :raises ConfigurationError: for any other kind of URL.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = database_url(url)
        self.dialect = self.url.get_backend_name()
        self.engine = _engine(self.url, busy_seconds)
        self._busy_seconds = busy_seconds
        # SQLite has one writer: waiting here is fair and cheap, waiting inside SQLite is a spin.
        self._writer = asyncio.Lock() if self.dialect == SQLITE else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading.

        :raises Unavailable: when the database does not answer.
        """
        with_session = AsyncSession(self.engine, expire_on_commit=False, autoflush=False)
        async with answering(), with_session as session:
            yield session

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed when the block ends well and rolled back when it raises.

        :raises Unavailable: when the database does not answer.
        :raises Conflict: when somebody else's change at the same moment broke a constraint.
        """
        if self._writer is None:
            async with self._transaction() as session:
                yield session
        else:
            async with self._only_writer(self._writer), self._transaction() as session:
                await (await session.connection()).execute(text("BEGIN IMMEDIATE"))
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
                yield session
                # Until here a cancellation undoes everything; a commit that has begun is not cut off any more.
                await session.flush()
            except BaseException:
                # What went wrong first is what the caller must hear.
                with suppress(SQLAlchemyError, OSError):
                    await uncut(_undo(session))
                raise
            await uncut(_commit(session))

    async def ping(self) -> None:
        """Ask the database for one row.

        :raises Unavailable: when it does not answer.
        """
        async with self.reading() as session:
            await (await session.connection()).execute(text("SELECT 1"))

    async def aclose(self) -> None:
        """Give back all connections."""
        await self.engine.dispose()


async def _commit(session: AsyncSession) -> None:
    async with session:
        await session.commit()


async def _undo(session: AsyncSession) -> None:
    async with session:
        await session.rollback()


def database_url(url: str) -> URL:
    """The URL with the async driver named.

    :raises ConfigurationError: when it is neither SQLite in a file nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        # The text may hold a password: it is not repeated.
        raise ConfigurationError("the database URL cannot be read; write sqlite:///file.db or postgresql://…") from None
    backend = parsed.get_backend_name()
    if backend == SQLITE:
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError("SQLite needs a file, like sqlite:///spacekey.db")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in {POSTGRESQL, "postgres"}:
        return parsed.set(drivername="postgresql+asyncpg")
    raise ConfigurationError(f"no support for '{backend}' databases; use SQLite or PostgreSQL")


def _engine(url: URL, busy_seconds: float) -> AsyncEngine:
    if url.get_backend_name() == SQLITE:
        return sqlite_engine(url, busy_seconds=busy_seconds, pool_wait_seconds=POOL_WAIT_SECONDS)
    return create_async_engine(
        url,
        hide_parameters=True,  # a traceback must not show what was bound
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "server_settings": {"lock_timeout": f"{busy_seconds * 1000:.0f}"},
        },
    )


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Turn every way of "the database did not answer" into one error; its text may name hosts, so it is not kept."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict("Somebody changed this at the same moment. Look again, then repeat what is still needed.") from (
            error.orig if isinstance(error.orig, sqlite3.Error) else None
        )
    except DBAPIError as error:
        if _is_outage(error):
            raise Unavailable("the database does not answer") from None
        raise
    except _BARE:
        raise Unavailable("the database does not answer") from None
    except (PoolTimeoutError, TimeoutError, ConnectionError, OSError):
        raise Unavailable("the database does not answer") from None


def _is_outage(error: DBAPIError) -> bool:
    """A lost connection, a lock that was not given, a server that is stopping or starting."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        # 08 connection, 28 sign-in, 3D no such database, 40 rollback by deadlock or serialization, 53 resources,
        # 55P03 lock, 57 operator, 58 system
        return str(state)[:2] in {"08", "28", "3D", "40", "53", "57", "58"} or state == "55P03"
    message = str(error.orig).lower()
    return any(word in message for word in _SQLITE_OUTAGES)
