"""When a session was last used is written off the request path: it delays nothing, and nothing gets lost over it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.user import UserSession
from spacekey.resolvers.accounts.sessions import IDLE, session_outcome, sign_in, sign_out
from spacekey.resolvers.last_seen import LastSeen
from support.world import FACTS, PASSWORD, World, make_world

LATER = timedelta(minutes=2)


async def signed_in(world: World, email: str = "ada@example.com") -> Secret:
    await world.user(email)
    return (await sign_in(world.system, FACTS, email=email, password=PASSWORD)).secret


async def row_of(store: Store, secret: Secret) -> UserSession:
    async with store.reading() as session:
        found = await user_queries.session_by_digest(session, secret.digest())
    assert found is not None
    return found[0]


@pytest.mark.parametrize("database_kind", [SQLITE])
async def test_a_use_while_somebody_else_writes_is_admitted_and_written_when_that_is_over(store: Store) -> None:
    world = make_world(Store(str(store.url), busy_seconds=0.01))
    secret = await signed_in(world)
    other = sqlite3.connect(str(store.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    world.clock.now += LATER
    used_at = world.clock()
    assert isinstance(await session_outcome(world.system, secret), Authenticated)
    await world.system.last_seen.flush(world.system.store)
    other.execute("ROLLBACK")
    other.close()
    assert (await row_of(store, secret)).last_seen_at == used_at - LATER
    # It counts before it is written, and it is written with the moment of the use.
    world.clock.now += IDLE - LATER
    assert isinstance(await session_outcome(world.system, secret), Authenticated)
    used_at = world.clock()
    world.clock.now += timedelta(seconds=30)
    await world.system.last_seen.flush(world.system.store)
    assert (await row_of(store, secret)).last_seen_at == used_at
    world.clock.now = used_at + IDLE
    assert await session_outcome(world.system, secret) == Rejected(Reason.EXPIRED)
    await world.system.store.aclose()


async def test_a_use_that_is_written_late_does_not_bring_an_ended_session_back(store: Store) -> None:
    world = make_world(store)
    caller = await world.user("ada@example.com")
    secret = (await sign_in(world.system, FACTS, email=caller.name, password=PASSWORD)).secret
    world.clock.now += LATER
    assert isinstance(await session_outcome(world.system, secret), Authenticated)
    await sign_out(world.system, caller, secret)
    await world.system.last_seen.flush(store)
    assert await session_outcome(world.system, secret) == Rejected(Reason.UNKNOWN)


async def test_a_use_within_a_minute_is_not_written(store: Store) -> None:
    world = make_world(store)
    secret = await signed_in(world)
    world.clock.now += timedelta(seconds=59)
    assert isinstance(await session_outcome(world.system, secret), Authenticated)
    await world.system.last_seen.flush(store)
    assert (await row_of(store, secret)).last_seen_at < world.clock()


async def test_what_waits_is_bounded(store: Store) -> None:
    world = make_world(store)
    world = World(replace(world.system, last_seen=LastSeen(waiting_max=1)), world.clock)
    first, second = await signed_in(world), await signed_in(world, "bob@example.com")
    world.clock.now += LATER
    for secret in (first, second):
        assert isinstance(await session_outcome(world.system, secret), Authenticated)
    await world.system.last_seen.flush(store)
    assert [(await row_of(store, one)).last_seen_at == world.clock() for one in (first, second)] == [True, False]
