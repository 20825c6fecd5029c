"""T can be changed on a running system, and nobody ever waits for less than readers may serve."""

from __future__ import annotations

import pytest

from spacekey.domain.refusal import Conflict, InvalidInput
from spacekey.models.engine.store import Store
from spacekey.models.queries.settings import read_setting
from spacekey.models.tables.setting import MAX_STALENESS, STALENESS_WAIT
from spacekey.resolvers.staleness import set_staleness
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from support.world import OPERATOR, World, make_world


async def _numbers(world: World) -> tuple[float, float]:
    """What readers cache for, and what writers wait for."""
    async with world.system.store.reading() as session:
        return (await read_setting(session, MAX_STALENESS, 1.0), await read_setting(session, STALENESS_WAIT, 1.0))


async def test_revoking_waits_for_t_and_says_from_when_it_holds(store: Store) -> None:
    world = make_world(store, staleness_seconds=1.0)
    workspace = await world.workspace("spooled")
    issued = [
        await create_token(world.system, OPERATOR, NewToken(workspace.id, name, ("jobs:read",))) for name in ("a", "b")
    ]

    waited = await revoke_token(world.system, OPERATOR, issued[0].view.token.id)
    naps = list(world.naps)
    at_once = await revoke_token(world.system, OPERATOR, issued[1].view.token.id, wait=False)

    assert (naps, world.naps) == ([1.0], [1.0])
    assert (waited.effective_at - world.clock.now).total_seconds() == 1.0
    assert (at_once.effective_at - world.clock.now).total_seconds() == 1.0


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.5, 1.0, 3.0, 60.0])
async def test_setting_t_ends_with_both_numbers_alike(store: Store, seconds: float) -> None:
    world = make_world(store, staleness_seconds=1.0)
    await set_staleness(world.system, OPERATOR, seconds)
    assert await _numbers(world) == (seconds, seconds)


async def test_lowering_t_outlives_every_entry_cached_under_the_old_one(store: Store) -> None:
    world = make_world(store, staleness_seconds=1.0)
    seen: list[tuple[float, float]] = []
    await set_staleness(world.system, OPERATOR, 5.0)

    async def nap(seconds: float) -> None:
        seen.append(await _numbers(world))
        world.naps.append(seconds)

    object.__setattr__(world.system, "sleep", nap)
    await set_staleness(world.system, OPERATOR, 2.0)

    assert (seen, world.naps) == ([(2.0, 5.0)], [5.0])


async def test_raising_t_moves_the_writers_first(store: Store) -> None:
    world = make_world(store, staleness_seconds=1.0)
    failing = make_world(store, staleness_seconds=1.0)

    def broken_clock() -> None:
        raise RuntimeError("stopped here")

    # The audit row of the second step needs the clock: what stands after the first step is seen by stopping there.
    object.__setattr__(failing.system, "clock", broken_clock)
    with pytest.raises(RuntimeError, match="stopped here"):
        await set_staleness(failing.system, OPERATOR, 4.0)

    assert await _numbers(world) == (1.0, 4.0)


@pytest.mark.parametrize(("lower", "other"), [(0.5, 2.0), (2.0, 3.0), (0.5, 0.5), (0.0, 5.0)])
async def test_of_two_changes_at_once_the_later_stands_and_writers_never_wait_too_short(
    store: Store, lower: float, other: float
) -> None:
    world = make_world(store, staleness_seconds=1.0)
    await set_staleness(world.system, OPERATOR, 4.0)
    meanwhile = make_world(store, staleness_seconds=1.0)

    async def nap(_seconds: float) -> None:
        await set_staleness(meanwhile.system, OPERATOR, other)

    object.__setattr__(world.system, "sleep", nap)
    with pytest.raises(Conflict, match="change of T"):
        await set_staleness(world.system, OPERATOR, lower)

    assert await _numbers(world) == (other, other)


@pytest.mark.parametrize("seconds", [-0.1, 1e-9, 0.05, 60.1, float("nan"), float("inf")])
async def test_a_t_that_cannot_be_is_refused(store: Store, seconds: float) -> None:
    world = make_world(store)
    with pytest.raises(InvalidInput, match=r"0\.1 to 60"):
        await set_staleness(world.system, OPERATOR, seconds)
