"""Changes that join the transaction of the application's own session, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import String, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from spacekey import Actor, Conflict, InvalidInput, Keys, NotFound, PlanLimit, ServiceUnavailable
from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.keys import Policy, Workspace
from support.databases import TEMPLATE, EmptiedDatabases, postgres_database
from support.postgres import PostgresServer
from support.world import EXAMPLES

READ = ["jobs:read"]
ADA = Actor("user-7", "Ada")


class Base(DeclarativeBase):
    """The application's own tables."""


class User(Base):
    """A user of the application, in a table that is not called as one of Spacekey's ever was."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


WHERE = pytest.mark.parametrize("schema", [None, "spacekey"])


@pytest.fixture
def schema() -> str | None:
    """Where Spacekey's tables are."""
    return None


@pytest.fixture
def url(postgres: PostgresServer, schema: str | None) -> Iterator[str]:
    """A database, without tables if they are to be in a schema of their own."""
    with postgres_database(postgres, TEMPLATE if schema is None else "template0") as url:
        yield url


@pytest_asyncio.fixture
async def keys(url: str, schema: str | None) -> AsyncIterator[Keys]:
    async with asyncio.timeout(600):
        made = Keys(url, [EXAMPLES / "spooled.toml"], schema=schema)
        await made.migrate()
        yield made
        await made.aclose()


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The application's engine, with its tables."""
    made = create_async_engine(url)
    async with made.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield made
    await made.dispose()


@pytest_asyncio.fixture
async def home(keys: Keys) -> Workspace:
    return await keys.workspaces.ensure(external_id="tenant-1")


async def names(keys: Keys, home: Workspace) -> list[str]:
    return [token.name async for token in keys.tokens.list(home)]


async def events(keys: Keys, home: Workspace) -> list[str]:
    return [event.action async for event in keys.audit.list(home)]


@WHERE
async def test_a_token_commits_with_the_applications_own_rows(keys: Keys, engine: AsyncEngine, home: Workspace) -> None:
    async with AsyncSession(engine) as session:
        session.add(User(id=7, name="Ada"))
        issued = await keys.tokens.create(home, name="joined", grants=READ, actor=ADA, session=session)
        assert await names(keys, home) == []
        assert isinstance(await keys.verifier.verify(issued.secret), Rejected)
        await session.commit()
    assert await names(keys, home) == ["joined"]
    assert await events(keys, home) == ["token.create", "workspace.create"]
    await asyncio.sleep(0)
    async with AsyncSession(engine) as session:
        assert await session.get(User, 7) is not None
    fresh = await keys.tokens.create(home, name="after", grants=READ)
    assert isinstance(await keys.verifier.verify(fresh.secret), Authenticated)


@WHERE
async def test_everything_rolls_back_with_it(keys: Keys, engine: AsyncEngine, home: Workspace) -> None:
    async with AsyncSession(engine) as session:
        session.add(User(id=7, name="Ada"))
        tenant = await keys.workspaces.ensure(external_id="tenant-2", session=session)
        space = await keys.spaces.ensure(tenant, external_id="p", session=session)
        await keys.tokens.create(tenant, name="in it", grants=READ, space=space, session=session)
        await keys.tokens.create(home, name="joined", grants=READ, session=session)
        await session.rollback()
    assert await keys.workspaces.find(external_id="tenant-2") is None
    assert (await names(keys, home), await events(keys, home)) == ([], ["workspace.create"])
    async with AsyncSession(engine) as session:
        assert await session.get(User, 7) is None


async def test_a_whole_tenant_is_made_in_one_transaction(keys: Keys, engine: AsyncEngine) -> None:
    """Each step sees what the ones before it made, although nothing is committed."""
    async with AsyncSession(engine) as session, session.begin():
        tenant = await keys.workspaces.ensure(external_id="tenant-2", session=session)
        assert await keys.workspaces.ensure(external_id="tenant-2", session=session) == tenant
        space = await keys.spaces.ensure(tenant, external_id="p", session=session)
        issued = await keys.tokens.create(tenant, name="t", grants=READ, space=space, session=session)
        changed = await keys.tokens.update(tenant, issued.token, name="renamed", metadata={"a": 1}, session=session)
        assert dict(changed.token.metadata) == {"a": 1}
        await keys.workspaces.update(tenant, name="Acme", session=session)
        await keys.spaces.update(tenant, space, name="One", session=session)
    assert await names(keys, tenant) == ["renamed"]
    assert (await keys.workspaces.get(tenant)).name == "Acme"


async def test_a_refusal_leaves_the_applications_transaction_as_it_was(
    keys: Keys, engine: AsyncEngine, home: Workspace
) -> None:
    """Each kind of refusal, and then the transaction goes on and commits."""
    await keys.workspaces.ensure(external_id="taken", slug="taken")
    refusals: list[tuple[type[Exception], Callable[[AsyncSession], Awaitable[object]]]] = [
        (InvalidInput, lambda session: keys.tokens.create(home, name="", grants=READ, session=session)),
        (NotFound, lambda session: keys.tokens.create("ws_0", name="t", grants=READ, session=session)),
        (NotFound, lambda session: keys.tokens.update(home, "key_0", name="t", session=session)),
        (Conflict, lambda session: keys.workspaces.ensure(external_id="new", slug="taken", session=session)),
        (Conflict, lambda session: keys.workspaces.update(home, external_id="taken", session=session)),
    ]
    async with AsyncSession(engine) as session:
        session.add(User(id=7, name="Ada"))
        await session.flush()
        for kind, call in refusals:
            with pytest.raises(kind):
                await call(session)
        session.add(User(id=8, name="Bob"))
        await keys.tokens.create(home, name="after", grants=READ, session=session)
        await session.commit()
        assert {(await session.get(User, number)) is None for number in (7, 8)} == {False}
    assert await names(keys, home) == ["after"]


async def test_a_cancelled_change_leaves_the_applications_transaction_as_it_was(
    keys: Keys, engine: AsyncEngine, home: Workspace, url: str
) -> None:
    async with AsyncSession(engine) as holder, AsyncSession(engine) as session:
        await keys.tokens.create(home, name="first", grants=READ, session=holder)  # holds the workspace
        session.add(User(id=7, name="Ada"))
        await session.flush()
        waiting = asyncio.create_task(keys.tokens.create(home, name="second", grants=READ, session=session))
        async with engine.connect() as looking:
            while not (await looking.execute(text(WAITING))).scalar_one():
                await looking.rollback()
                await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await holder.commit()
    assert await names(keys, home) == ["first"]


WAITING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@WHERE
async def test_the_session_is_left_as_it_was(keys: Keys, engine: AsyncEngine, home: Workspace) -> None:
    """Its objects, their states, its settings and those of its connection; also after a refusal."""
    async with AsyncSession(engine, autoflush=True) as session:
        old = User(id=1, name="Ada")
        session.add(old)
        await session.commit()
        await session.refresh(old)
        old.name = "Ada L."
        pending = User(id=2, name="Bob")
        session.add(pending)
        await session.execute(text("SET LOCAL search_path = public, pg_catalog"))
        await session.execute(text("SET LOCAL lock_timeout = '77s'"))

        async def state() -> object:
            sync = (await session.connection()).sync_connection
            assert sync is not None
            with session.no_autoflush:
                settings = (await session.execute(text(SETTINGS))).one()
            return (
                tuple(settings),
                set(session.new), set(session.dirty), set(session.identity_map.keys()), dict(session.info),
                session.sync_session.autoflush, session.sync_session.expire_on_commit,
                inspect(old).session is session.sync_session, inspect(old).expired,
                dict(sync.get_execution_options()), session.in_nested_transaction(),
            )  # fmt: skip

        before = await state()
        await keys.tokens.create(home, name="joined", grants=READ, session=session)
        assert await state() == before
        with pytest.raises(NotFound):
            await keys.tokens.create("ws_0", name="t", grants=READ, session=session)
        assert await state() == before
        async with session.begin_nested():
            await keys.tokens.create(home, name="nested", grants=READ, session=session)
        await session.commit()
    assert sorted(await names(keys, home)) == ["joined", "nested"]


SETTINGS = (
    "SELECT current_setting('search_path'), current_setting('lock_timeout'), current_setting('statement_timeout')"
)


async def test_two_transactions_that_ensure_one_tenant_make_one_workspace(keys: Keys, engine: AsyncEngine) -> None:
    async def one() -> str:
        async with AsyncSession(engine) as session, session.begin():
            home = await keys.workspaces.ensure(external_id="tenant-2", session=session)
        return home.id

    assert len(set(await asyncio.gather(*(one() for _ in range(4))))) == 1


async def test_a_plan_holds_however_many_transactions_create(keys: Keys, engine: AsyncEngine) -> None:
    home = await keys.workspaces.ensure(external_id="full", plan="free")
    most = (await keys.usage.quota(home)).most or 0

    async def one(level: str) -> bool:
        options = {"isolation_level": level}
        async with AsyncSession(engine.execution_options(**options)) as session:
            while True:
                try:
                    async with session.begin():
                        await keys.tokens.create(home, name="t", grants=READ, session=session)
                    return True
                except PlanLimit:
                    return False
                except ServiceUnavailable:  # a concurrent change: the application repeats its transaction
                    await session.rollback()

    levels = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
    made = await asyncio.gather(*(one(levels[number % 3]) for number in range(most + 4)))
    assert made.count(True) == most
    assert (await keys.usage.quota(home)).used == most


# --- refused in words ---


async def test_what_takes_access_away_is_refused(keys: Keys, engine: AsyncEngine, home: Workspace) -> None:
    issued = await keys.tokens.create(home, name="t", grants=READ, external_id="user-7")
    token = issued.token
    tokens: Any = keys.tokens
    async with AsyncSession(engine) as session:
        for call in (
            lambda: tokens.revoke(home, token, session=session),
            lambda: tokens.disable(home, token, session=session),
            lambda: tokens.delete(home, token, session=session),
            lambda: tokens.rotate(home, token, session=session),
            lambda: tokens.revoke_all(home, external_id="user-7", session=session),
            lambda: tokens.update(home, token, grants=READ, session=session),
            lambda: tokens.update(home, token, expires_at=None, session=session),
            lambda: tokens.update(home, token, expires_in=timedelta(days=1), session=session),
            lambda: keys.workspaces.update(home, plan="pro", session=session),
            lambda: keys.workspaces.update(home, policy=Policy(), session=session),
            lambda: keys.workspaces.update(home, limit=None, session=session),
        ):
            with pytest.raises(InvalidInput, match="takes access away, so it must be committed") as caught:
                await call()
            assert caught.value.field == "session"
        assert not session.in_transaction()
    assert (await keys.tokens.get(home, token)) == token


async def refused(keys: Keys, home: Workspace, session: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        await keys.tokens.create(home, name="t", grants=READ, session=session)
    assert caught.value.field == "session"
    assert await names(keys, home) == []


async def test_a_session_on_another_database_is_refused(
    keys: Keys, home: Workspace, emptied_databases: EmptiedDatabases, tmp_path: Path
) -> None:
    """Even one that has Spacekey's tables too, on the same server; and one on SQLite."""
    with emptied_databases.database() as other:
        for url in (other, f"sqlite+aiosqlite:///{tmp_path}/x.db"):
            engine = create_async_engine(url)
            async with AsyncSession(engine) as session:
                await refused(keys, home, session, "It is on another database")
            await engine.dispose()


async def test_a_failed_session_is_refused(keys: Keys, engine: AsyncEngine, home: Workspace) -> None:
    async with AsyncSession(engine) as session:
        with pytest.raises(DBAPIError):
            await session.execute(text("SELECT 1 / 0"))
        await refused(keys, home, session, "Its transaction has failed already; roll it back first")
        await session.rollback()
        session.add_all([User(id=1, name="a"), User(id=1, name="b")])
        with pytest.raises(DBAPIError):
            await session.flush()
        await refused(keys, home, session, "Its transaction has failed already; roll it back first")
        await session.rollback()
        await keys.tokens.create(home, name="after", grants=READ, session=session)
        await session.commit()
    assert await names(keys, home) == ["after"]


async def test_a_session_that_commits_by_itself_or_is_none_is_refused(
    keys: Keys, engine: AsyncEngine, home: Workspace
) -> None:
    async with AsyncSession(engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
        await refused(keys, home, session, "commits each statement by itself")
    async with AsyncSession() as session:
        await refused(keys, home, session, "no connection of its own")
    await refused(keys, home, engine, "Give an AsyncSession of SQLAlchemy")


async def test_keys_on_sqlite_share_no_transaction(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/keys.db"
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/keys.db")
    async with Keys(url, [EXAMPLES / "spooled.toml"]) as keys:
        home = await keys.workspaces.ensure(external_id="t")
        async with AsyncSession(engine) as session:
            await refused(keys, home, session, "SQLite has one writer, so a transaction cannot be shared")
    await engine.dispose()
