"""A member's own sessions: seen by their owner alone, ended one by one or all but this one."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from spacekey.domain.authentication import Authenticated
from spacekey.domain.ids import SESSION, id_prefix
from spacekey.domain.refusal import NotFound
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.accounts.sessions import (
    ABSOLUTE,
    IDLE,
    end_other_sessions,
    end_session,
    own_sessions,
    session_outcome,
    sign_in,
)
from support.world import PASSWORD, World, make_world


async def opened(world: World, email: str = "ada@example.com", agent: str = "tests/1") -> Secret:
    facts = RequestFacts(ip="192.0.2.7", user_agent=agent)
    return (await sign_in(world.system, facts, email=email, password=PASSWORD)).secret


async def good(world: World, secret: Secret) -> bool:
    return isinstance(await session_outcome(world.system, secret), Authenticated)


async def test_sessions_are_listed_with_where_they_came_from_and_which_is_this_one(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    await world.user("bob@example.com")
    await opened(world, "bob@example.com")
    await opened(world, agent="Firefox")
    world.clock.forward(minutes=5)
    present = await opened(world, agent="Chromium")
    found = await own_sessions(world.system, ada, present)
    assert [(one.user_agent, one.is_current, one.ip) for one in found] == [
        ("Chromium", True, "192.0.2.7"),
        ("Firefox", False, "192.0.2.7"),
    ]
    assert found[1].ends_at == found[1].last_seen_at + IDLE
    assert [one.is_current for one in await own_sessions(world.system, ada, None)] == [False, False]


async def test_what_is_shown_of_a_session_opens_nothing(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    present = await opened(world)
    (one,) = await own_sessions(world.system, ada, present)
    assert id_prefix(one.id) == SESSION
    shown = str(asdict(one))
    for kept_to_itself in (present.reveal(), present.digest().hex(), present.digest().hex()[:12]):
        assert kept_to_itself not in shown
    assert not await good(world, Secret(one.id))


async def test_sessions_that_are_over_are_not_shown(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    await opened(world)
    world.clock.now += IDLE
    assert await own_sessions(world.system, ada, None) == []
    busy = await opened(world)
    end = world.clock() + ABSOLUTE
    while world.clock() + IDLE / 2 < end:
        world.clock.now += IDLE / 2
        assert await good(world, busy)
        await world.system.last_seen.flush(store)
    assert [one.ends_at for one in await own_sessions(world.system, ada, busy)] == [end]
    world.clock.now = end
    assert await own_sessions(world.system, ada, busy) == []


async def test_ending_one_session_ends_that_one(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    lost = await opened(world)
    world.clock.forward(seconds=1)
    present = await opened(world)
    own, other = await own_sessions(world.system, ada, present)
    assert not await end_session(world.system, ada, other.id, present)
    assert [await good(world, one) for one in (lost, present)] == [False, True]
    with pytest.raises(NotFound):
        await end_session(world.system, ada, other.id, present)
    assert await end_session(world.system, ada, own.id, present)
    assert not await good(world, present)


async def test_nobody_ends_somebody_elses_session(store: Store) -> None:
    world = make_world(store)
    ada, bob = await world.user("ada@example.com"), await world.user("bob@example.com")
    secret = await opened(world)
    (one,) = await own_sessions(world.system, ada, secret)
    for wrong in (one.id, "ses_unknown", ada.id, secret.reveal()):
        with pytest.raises(NotFound):
            await end_session(world.system, bob, wrong, None)
    await end_other_sessions(world.system, bob, None)
    assert await good(world, secret)


async def test_ending_all_others_keeps_this_one(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    one, two, present = [await opened(world) for _ in range(3)]
    assert len(set(await end_other_sessions(world.system, ada, present))) == 2
    assert [await good(world, each) for each in (one, two, present)] == [False, False, True]
    assert await end_other_sessions(world.system, ada, present) == []


async def test_a_list_of_sessions_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    monkeypatch.setattr("spacekey.resolvers.accounts.sessions.SESSIONS_LISTED_MAX", 2)
    for _ in range(3):
        world.clock.forward(seconds=1)
        await opened(world)
    assert len(await own_sessions(world.system, ada, None)) == 2
