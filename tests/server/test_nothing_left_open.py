"""Whatever is cancelled, fails or is still under way, closing a server, a verifier or ``Keys`` leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import ClassVar, NamedTuple

import httpx
import pytest
import pytest_asyncio

from spacekey import Keys
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.server.app import build_app
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import Settings, packaged_products
from support.cancelled import MANNERS, Manner, at_every_step, beside_every_step
from support.open_connections import Watched
from support.schema import spacekey_schema
from support.server import ORIGIN, bearer
from support.world import EXAMPLES, OPERATOR, make_world


class Opened:
    """Something that opens connections, made again for each attempt."""

    of: ClassVar[str]

    def __init__(self, url: str, secret: Secret) -> None:
        self.url = url
        self.secret = secret
        self.begin()

    def begin(self) -> None:
        """Make it; nothing is opened yet."""
        raise NotImplementedError

    async def use(self) -> None:
        """Use it in several ways, so that it opens all that it needs."""
        raise NotImplementedError

    async def use_once(self) -> None:
        """Use it in one way."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close it."""
        raise NotImplementedError


class Verifier(Opened):
    """An app's verifier over the database, with usage and refusals to be written."""

    of = "verifier"

    def begin(self) -> None:
        self.verifier = DatabaseVerifier(self.url, packaged_products(), environment="test")

    async def use(self) -> None:
        await self.verifier.verify(self.secret)
        await self.verifier.verify_many([self.secret] * 2)
        assert self.verifier.usage is not None
        self.verifier.usage.refused("key_none")

    async def use_once(self) -> None:
        await self.verifier.verify(self.secret)

    async def aclose(self) -> None:
        await self.verifier.aclose()


class InProcess(Opened):
    """Keys, with a verifier on the same engine."""

    of = "keys"

    def begin(self) -> None:
        self.keys = Keys(self.url, [EXAMPLES / "spooled.toml"])

    async def use(self) -> None:
        await self.keys.verifier.verify(self.secret)
        await self.use_once()

    async def use_once(self) -> None:
        await self.keys.workspaces.find(external_id="none")

    async def aclose(self) -> None:
        await self.keys.aclose()


class Mounted(InProcess):
    """The same with the dashboard's app, which starts itself."""

    of = "keys and their app"

    def begin(self) -> None:
        super().begin()
        self.app = self.keys.app()

    async def use(self) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ORIGIN) as client:
            await client.get("/readyz")


class Place(NamedTuple):
    """A database with one token."""

    watched: Watched
    secret: Secret


@pytest_asyncio.fixture
async def place(database_url: str, database_kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """Without a garbage collector that would close what was forgotten."""
    store = Store(database_url)
    world = make_world(store)
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "a token", ("jobs:read",)))
    await store.aclose()
    gc.collect()
    gc.disable()
    watched = Watched(database_url, None if database_kind == SQLITE else request.getfixturevalue("postgres"))
    await watched.begin()
    yield Place(watched, issued.secret)
    gc.enable()


LONG = [pytest.param(Mounted, marks=pytest.mark.long, id=Mounted.of)]
kinds = pytest.mark.parametrize("kind", [*(pytest.param(one, id=one.of) for one in (Verifier, InProcess)), *LONG])
manners = pytest.mark.parametrize("manner", MANNERS)


@kinds
@manners
async def test_what_is_closed_after_a_use_was_cancelled_at_any_step_leaves_nothing_open(
    place: Place, kind: type[Opened], manner: Manner
) -> None:
    opened = kind(place.watched.url, place.secret)

    async def look() -> None:
        await opened.aclose()
        await place.watched.assert_all_closed()
        opened.begin()

    await at_every_step(opened.use, manner, look)
    await look()


@pytest.mark.parametrize("kind", [Verifier, InProcess], ids=lambda kind: kind.of)
async def test_what_is_closed_during_a_use_leaves_nothing_open_after_it(place: Place, kind: type[Opened]) -> None:
    opened = kind(place.watched.url, place.secret)

    async def work() -> None:
        with suppress(ServiceUnavailable):
            await opened.use_once()

    async def look() -> None:
        await place.watched.assert_all_closed()
        opened.begin()
        await opened.use_once()  # the first one does more, such as to look at the schema

    await opened.use_once()
    await beside_every_step(work, opened.aclose, look)
    await opened.aclose()


@kinds
@manners
async def test_closing_that_is_cancelled_at_any_step_leaves_nothing_open(
    place: Place, kind: type[Opened], manner: Manner
) -> None:
    opened = kind(place.watched.url, place.secret)

    async def look() -> None:
        await place.watched.assert_all_closed()
        opened.begin()
        await opened.use()

    await opened.use()
    await at_every_step(opened.aclose, manner, look)
    await place.watched.assert_all_closed()


@pytest.mark.sampled(3)
@manners
async def test_a_server_cancelled_at_any_step_between_start_and_stop_leaves_nothing_open(
    place: Place, manner: Manner
) -> None:
    before = asyncio.all_tasks()

    async def live() -> None:
        app = build_app(Settings(database_url=place.watched.url), schema=spacekey_schema())
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client,
        ):
            await client.get("/api/v1/self", headers=bearer(place.secret))

    async def look() -> None:
        await place.watched.assert_all_closed()
        while left := asyncio.all_tasks() - before:  # which close something
            await asyncio.wait(left)

    await at_every_step(live, manner, look)
