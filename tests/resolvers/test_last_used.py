"""Last use is collected off the request path and only ever moves forwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spacekey.models.store import Store
from spacekey.resolvers.create_token import NewToken, create_token
from spacekey.resolvers.end_token import disable_token
from spacekey.resolvers.last_used import LastUsed
from spacekey.resolvers.list_tokens import token_view
from support.world import OPERATOR, World, make_world


async def _token(world: World) -> str:
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "one", ("jobs:read",)))
    return issued.view.token.id


async def test_a_noted_use_is_in_the_record_after_the_flush(store: Store) -> None:
    world = make_world(store)
    token_id = await _token(world)
    collector = LastUsed(store, world.clock)

    collector.note(token_id, "192.0.2.9")
    before = (await token_view(world.system, OPERATOR, token_id)).token.last_used_at
    await collector.flush()
    after = (await token_view(world.system, OPERATOR, token_id)).token

    assert (before, after.last_used_at, after.last_used_ip) == (None, world.clock.now, "192.0.2.9")


async def test_a_late_flush_of_an_older_use_changes_nothing(store: Store) -> None:
    world = make_world(store)
    token_id = await _token(world)
    late, early = LastUsed(store, world.clock), LastUsed(store, world.clock)
    late.note(token_id, "192.0.2.1")
    world.clock.forward(hours=1)
    early.note(token_id, "192.0.2.2")

    await early.flush()
    await late.flush()

    token = (await token_view(world.system, OPERATOR, token_id)).token
    assert (token.last_used_at, token.last_used_ip) == (world.clock.now, "192.0.2.2")


async def test_a_flush_never_undoes_a_change_made_meanwhile(store: Store) -> None:
    world = make_world(store)
    token_id = await _token(world)
    collector = LastUsed(store, world.clock)
    collector.note(token_id)

    await disable_token(world.system, OPERATOR, token_id)
    await collector.flush()

    assert (await token_view(world.system, OPERATOR, token_id)).token.disabled_at is not None


async def test_what_is_held_in_memory_is_bounded(store: Store) -> None:
    world = make_world(store)
    token_id = await _token(world)
    collector = LastUsed(store, world.clock, tokens_max=1)
    collector.note("key_somebody_else")

    collector.note(token_id)
    await collector.flush()
    assert (await token_view(world.system, OPERATOR, token_id)).token.last_used_at is None

    collector.note(token_id)
    await collector.flush()
    assert (await token_view(world.system, OPERATOR, token_id)).token.last_used_at == world.clock.now


async def test_running_flushes_again_and_again(store: Store) -> None:
    world = make_world(store)
    token_id = await _token(world)
    collector = LastUsed(store, world.clock)
    seen = []

    async def nap(_seconds: float) -> None:
        seen.append((await token_view(world.system, OPERATOR, token_id)).token.last_used_at)
        if len(seen) == 3:
            raise InterruptedError
        world.clock.now += timedelta(minutes=1)
        collector.note(token_id)

    with pytest.raises(InterruptedError):
        await collector.run(nap)

    assert seen == [None, seen[1], world.clock.now]
    assert seen[1] == world.clock.now - timedelta(minutes=1)
