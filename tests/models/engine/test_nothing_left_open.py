"""Whatever is cancelled, and whenever it is closed, closing leaves no connection open.

A connection that its owner has forgotten stays open until the garbage collector finds it, on a server that has few.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import pytest_asyncio
from sqlalchemy import text

from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.reading import Reader
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.lookup.facts import TokenLookup
from spacekey.models.lookup.sqlite import ON_LOOP_MAX
from spacekey.models.queries.workspaces import workspace_id_by_slug
from support.cancelled import MANNERS, Manner, at_every_step, beside_every_step
from support.databases import lookup_on
from support.open_connections import Watched
from support.rows import a_user

FEW, MANY = [bytes(32)], [number.to_bytes(32) for number in range(ON_LOOP_MAX + 1)]


class Opened:
    """A store and a lookup on one database, new for each attempt."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._begin()

    def _begin(self) -> None:
        self.store = Store(self._watched.url, busy_seconds=1)
        self.lookup: TokenLookup = lookup_on(self.store)

    async def read(self) -> None:
        async def function(reader: Reader) -> str | None:
            return await workspace_id_by_slug(reader, "none")

        await self.store.read(function)

    async def session(self) -> None:
        async with self.store.reading() as session:
            await (await session.connection()).execute(text("SELECT id FROM spacekey_users"))

    async def change(self) -> None:
        async with self.store.changing() as session:
            session.add(a_user())

    async def change_in_one_hop(self) -> None:
        async def function(reader: Reader) -> str | None:
            return await workspace_id_by_slug(reader, "none")

        await self.store.change(function)

    async def ping(self) -> None:
        await self.store.ping()

    async def look_up(self) -> None:
        await self.lookup.by_digests(FEW)

    async def look_up_many(self) -> None:
        await self.lookup.by_digests(MANY)

    async def aclose(self) -> None:
        """Close both."""
        await close_in_turn(self.lookup.aclose, self.store.aclose)

    async def closed(self) -> None:
        """Close both, look, and begin again."""
        await self.aclose()
        await self.left_nothing()

    async def left_nothing(self) -> None:
        """Look without closing, and begin again."""
        await self._watched.assert_all_closed()
        self._begin()


Use = Callable[[Opened], Awaitable[None]]
USES: list[Use] = [
    Opened.read,
    Opened.session,
    Opened.change,
    Opened.change_in_one_hop,
    Opened.ping,
    Opened.look_up,
    Opened.look_up_many,
]


@pytest_asyncio.fixture
async def opened(database_url: str, database_kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    """Without a garbage collector that would close what was forgotten."""
    server = None if database_kind == SQLITE else request.getfixturevalue("postgres")
    gc.collect()
    gc.disable()
    watched = Watched(database_url, server)
    await watched.begin()
    made = Opened(watched)
    yield made
    await made.aclose()
    gc.enable()


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_a_first_use_cancelled_at_any_step_leaves_nothing_open(opened: Opened, use: Use, manner: Manner) -> None:
    async def work() -> None:
        await use(opened)

    await at_every_step(work, manner, opened.closed)
    await opened.closed()


@pytest.mark.parametrize("warm", [False, True], ids=["first", "warm"])
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_closing_during_a_use_leaves_nothing_open_after_it(opened: Opened, use: Use, warm: bool) -> None:
    """As at a shutdown, when something is still under way. It ends as it may."""

    async def work() -> None:
        with suppress(ServiceUnavailable):
            await use(opened)

    async def then() -> None:
        await opened.left_nothing()
        if warm:
            await use(opened)

    if warm:
        await use(opened)
    await beside_every_step(work, opened.aclose, then)
    await opened.aclose()


@pytest.mark.parametrize("manner", MANNERS)
async def test_closing_that_is_cancelled_at_any_step_closes_all(opened: Opened, manner: Manner) -> None:
    async def filled() -> None:
        """Several connections of each kind."""
        for use in (Opened.read, Opened.session, Opened.look_up, Opened.look_up_many):
            await asyncio.gather(*(use(opened) for _ in range(3)))

    async def then() -> None:
        await opened.left_nothing()
        await filled()

    await filled()
    await at_every_step(opened.aclose, manner, then)
    await opened.left_nothing()
