"""A change may be cancelled anywhere: it is whole or nothing, and whoever comes next does not notice."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.queries.workspaces import lock_workspace
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.cancelled import MANNERS, Cancelled, Manner, at_every_step
from support.rows import a_user, a_workspace, add
from support.world import OPERATOR, World, make_world


@pytest_asyncio.fixture
async def hurried(database_url: str) -> AsyncIterator[Store]:
    """A store that does not wait out a lock that was left behind, and has no garbage collector to free it."""
    gc.collect()
    gc.disable()
    store = Store(database_url, busy_seconds=1)
    yield store
    await store.aclose()
    gc.enable()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged about connections."""
    yield
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


class Names:
    """Renames a workspace, and knows which names its audit log tells of."""

    def __init__(self, world: World, workspace: Workspace) -> None:
        self.world = world
        self.workspace = workspace
        self.ends: list[bool] = []
        self._numbers = itertools.count()
        self._name = ""

    async def rename(self) -> None:
        self._name = f"name {next(self._numbers)}"
        await update_workspace(self.world.system, OPERATOR, self.workspace.id, WorkspaceChanges(name=self._name))

    async def look(self) -> None:
        """Whole or nothing; the next change works; the chain of audit rows is unbroken."""
        store = self.world.system.store
        named, events = await self._named_and_events(store)
        self.ends.append(named == self._name)
        await self.rename()
        assert await self._named_and_events(store) == (self._name, events + 1)
        assert all(report.broken_at is None for report in await verify_chains(self.world.system))
        # One for the workspace, one for each look before this, one for each cancelled change that was committed.
        assert events == len(self.ends) + sum(self.ends)

    async def _named_and_events(self, store: Store) -> tuple[str, int]:
        async with store.reading() as session:
            named = (await session.get_one(Workspace, self.workspace.id)).name
            events = text("SELECT count(*) FROM spacekey_audit_events WHERE chain = :chain")
            counted = await (await session.connection()).execute(events, {"chain": self.workspace.id})
            return named, int(counted.scalar_one())


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.usefixtures("quiet")
async def test_a_change_cancelled_at_any_step_is_whole_or_nothing_and_the_next_works(
    hurried: Store, manner: Manner
) -> None:
    world = make_world(hurried)
    names = Names(world, await world.workspace("teamspace"))
    steps = await at_every_step(names.rename, manner, names.look)
    assert steps > 5
    # What was cancelled before the commit began left nothing; from there on it was committed.
    assert names.ends == sorted(names.ends)
    assert set(names.ends) == {False, True}


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.usefixtures("quiet")
async def test_a_read_cancelled_at_any_step_gives_its_connection_back_clean(hurried: Store, manner: Manner) -> None:
    written = 0

    async def read() -> int:
        async with hurried.reading() as session:
            await session.connection()
            rows = await (await session.connection()).execute(text("SELECT id FROM spacekey_users"))
            return len(rows.all())

    async def look() -> None:
        nonlocal written
        # On the same connection, and never in an old picture of the database.
        await add(hurried, a_user(), a_user())
        written += 2
        assert await read() == written

    await look()
    assert await at_every_step(read, manner, look) >= 2  # connecting and the statement, each one wait at least
    assert written > 2


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.usefixtures("quiet")
async def test_a_first_change_cancelled_while_connecting_leaves_nothing_behind(
    database_url: str, manner: Manner
) -> None:
    stores: list[Store] = []

    async def change() -> None:
        stores.append(Store(database_url, busy_seconds=1))
        await add(stores[-1], a_user())

    async def look() -> None:
        await add(stores[-1], a_user())
        await stores[-1].aclose()

    assert await at_every_step(change, manner, look) > 3
    await stores[-1].aclose()


@pytest.mark.parametrize("database_kind", [SQLITE])
@pytest.mark.usefixtures("quiet")
async def test_a_change_cancelled_while_it_waits_for_its_turn_leaves_the_turn_to_others(hurried: Store) -> None:
    async def change() -> None:
        await add(hurried, a_user())

    async def look() -> None:
        await change()

    async def waiting() -> None:
        # The first holds the turn; the second is cancelled while it waits, or in the moment it is handed over.
        first = asyncio.create_task(change())
        await asyncio.sleep(0)
        try:
            await change()
        finally:
            await asyncio.wait((first,))

    for manner in MANNERS:
        await at_every_step(waiting, manner, look)


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
@pytest.mark.usefixtures("quiet")
async def test_a_change_cancelled_while_it_waits_for_a_lock_lets_go_of_its_own(hurried: Store) -> None:
    mine, theirs = a_workspace(), a_workspace()
    await add(hurried, mine, theirs)

    async def change() -> None:
        async with hurried.changing() as session:
            await lock_workspace(session, mine.id)
            await lock_workspace(session, theirs.id)

    async def look() -> None:
        async with hurried.changing() as session:
            assert await lock_workspace(session, mine.id) is not None

    async with hurried.changing() as other:
        await lock_workspace(other, theirs.id)
        for step in itertools.count(1):
            try:
                await Cancelled(change(), step, "early").outcome()
            except ServiceUnavailable:
                # This step lies behind the wait: nobody cancelled it, so the one before was the wait itself.
                break
            await look()
    assert step > 2


class Creations:
    """Creates tokens by a function of queries, and knows how many there are and how many the audit log tells of."""

    def __init__(self, world: World, workspace: Workspace) -> None:
        self.world = world
        self.workspace = workspace
        self.ends: set[bool] = set()
        self._known = 0

    async def create(self) -> None:
        await create_token(self.world.system, OPERATOR, NewToken(self.workspace.id, "t", ("member",)))

    async def look(self) -> None:
        """Whole or nothing; the next one works; the chain of audit rows is unbroken."""
        found = await self._tokens_and_events()
        assert found in {(self._known, self._known), (self._known + 1, self._known + 1)}
        self.ends.add(found[0] > self._known)
        await self.create()
        self._known = found[0] + 1
        assert await self._tokens_and_events() == (self._known, self._known)
        assert all(report.broken_at is None for report in await verify_chains(self.world.system))

    async def _tokens_and_events(self) -> tuple[int, int]:
        tokens, events = (
            f"SELECT count(*) FROM {table}"
            for table in ("spacekey_tokens", "spacekey_audit_events WHERE action = 'token.create'")
        )
        async with self.world.system.store.reading() as session:
            connection = await session.connection()
            counted = [(await connection.execute(text(one))).scalar_one() for one in (tokens, events)]
        return counted[0], counted[1]


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.usefixtures("quiet")
async def test_a_creation_cancelled_at_any_step_is_whole_or_nothing_and_the_next_works(
    hurried: Store, manner: Manner
) -> None:
    world = make_world(hurried)
    creations = Creations(world, await world.workspace("teamspace"))
    await creations.look()
    assert await at_every_step(creations.create, manner, creations.look) >= 1
