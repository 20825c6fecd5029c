"""Rotation: a successor, an end for the old token, and nothing lost by repeating it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.refusal import Conflict, Forbidden, InvalidInput, PlanLimit
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.models.queries import tokens as token_queries
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import disable_token, enable_token, revoke_secret, revoke_tokens
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.databases import lookup_on
from support.world import FACTS, OPERATOR, World, make_world


class Bench:
    """A workspace with one token, and the real verification."""

    def __init__(self, world: World, verifier: LookupVerifier, workspace_id: str, token: Issued) -> None:
        self.world, self.verifier, self.workspace_id, self.token = world, verifier, workspace_id, token
        self.id = token.view.token.id

    async def verdict(self, secret: Secret) -> Reason | None:
        """Why it is refused, None when it is good."""
        verdict = await self.verifier.verify(secret)
        assert isinstance(verdict, Authenticated | Rejected)
        return verdict.reason if isinstance(verdict, Rejected) else None


@pytest_asyncio.fixture
async def bench(store: Store) -> AsyncIterator[Bench]:
    world = make_world(store)

    async def first_use(token_id: str) -> None:
        async with store.changing() as session:
            await token_queries.record_first_use(session, token_id, world.clock())

    verifier = LookupVerifier(lookup_on(store), world.system.products, world.clock, first_use)
    workspace = await world.workspace("spooled")
    token = await create_token(world.system, OPERATOR, NewToken(workspace.id, "CI", ("jobs:read",)))
    yield Bench(world, verifier, workspace.id, token)
    await verifier.aclose()


async def test_both_are_good_until_the_grace_ends(bench: Bench) -> None:
    new = await rotate_token(bench.world.system, OPERATOR, bench.id)
    assert await bench.verdict(bench.token.secret) is None
    bench.world.clock.forward(hours=24, microseconds=-1)
    assert await bench.verdict(bench.token.secret) is None
    bench.world.clock.forward(microseconds=1)
    assert await bench.verdict(bench.token.secret) is Reason.ROTATED
    assert await bench.verdict(new.secret) is None


async def test_the_successor_is_the_same_but_for_its_secret(bench: Bench) -> None:
    new = await rotate_token(bench.world.system, OPERATOR, bench.id)
    old_row, row = (await token_view(bench.world.system, OPERATOR, bench.id)).token, new.view.token
    for name in ("name", "description", "kind", "environment", "space_id", "grants", "workspace_id"):
        assert getattr(row, name) == getattr(old_row, name)
    assert (row.rotated_from_id, old_row.rotated_to_id) == (old_row.id, row.id)
    assert new.secret != bench.token.secret


async def test_rotating_again_names_the_successor_and_kills_nothing(bench: Bench) -> None:
    """A retry of a request whose answer was lost: the new token goes on."""
    system = bench.world.system
    new = await rotate_token(system, OPERATOR, bench.id, grace_seconds=60)
    for _ in range(2):
        with pytest.raises(Conflict) as refused:
            await rotate_token(system, OPERATOR, bench.id, grace_seconds=0)
        assert refused.value.successor_id == new.view.token.id
    assert await bench.verdict(new.secret) is None
    assert await bench.verdict(bench.token.secret) is None
    bench.world.clock.forward(seconds=60)
    with pytest.raises(Conflict) as refused:
        await rotate_token(system, OPERATOR, bench.id)
    assert refused.value.successor_id == new.view.token.id
    assert await bench.verdict(new.secret) is None


async def test_a_grace_of_nothing_ends_the_old_token_at_once(bench: Bench) -> None:
    await rotate_token(bench.world.system, OPERATOR, bench.id, grace_seconds=0)
    assert await bench.verdict(bench.token.secret) is Reason.ROTATED
    assert (await token_view(bench.world.system, OPERATOR, bench.id)).status == "expired"


async def test_the_successors_first_use_ends_the_old_token_for_the_next_verification(bench: Bench) -> None:
    system = bench.world.system
    new = await rotate_token(system, OPERATOR, bench.id, retire_on_first_use=True)
    assert await bench.verdict(bench.token.secret) is None
    assert await bench.verdict(new.secret) is None
    assert await bench.verdict(bench.token.secret) is Reason.ROTATED
    view = await token_view(system, OPERATOR, bench.id)
    assert (view.status, view.retires_at) == ("expired", bench.world.clock())
    assert await bench.verdict(new.secret) is None


async def test_a_refused_successor_ends_nothing(bench: Bench) -> None:
    system = bench.world.system
    new = await rotate_token(system, OPERATOR, bench.id, retire_on_first_use=True)
    await disable_token(system, OPERATOR, new.view.token.id)
    assert await bench.verdict(new.secret) is Reason.DISABLED
    assert await bench.verdict(bench.token.secret) is None


async def test_the_first_use_of_one_successor_does_not_end_another_tokens_grace(bench: Bench) -> None:
    system = bench.world.system
    other = await create_token(system, OPERATOR, NewToken(bench.workspace_id, "other", ("jobs:read",)))
    await rotate_token(system, OPERATOR, other.view.token.id)
    new = await rotate_token(system, OPERATOR, bench.id, retire_on_first_use=True)
    await bench.verdict(new.secret)
    assert await bench.verdict(other.secret) is None


@pytest.mark.parametrize("grace_seconds", [0, 60, 604_800])
async def test_who_may_create_and_not_revoke_ends_no_token_by_rotating_it(bench: Bench, grace_seconds: int) -> None:
    """Its own neither: one rule for every token."""
    system = bench.world.system
    asked = NewToken(bench.workspace_id, "maker", ("tokens:create", "tokens:update", "tokens:disable", "jobs:read"))
    maker = await create_token(system, OPERATOR, asked)
    caller = TokenCaller(maker.view.token.id, "maker", bench.workspace_id, FACTS)
    for victim in (bench.id, maker.view.token.id):
        with pytest.raises(Forbidden) as refused:
            await rotate_token(system, caller, victim, grace_seconds=grace_seconds)
        assert refused.value.missing == ("tokens:revoke",)
        assert (await token_view(system, OPERATOR, victim)).token.rotated_to_id is None
    bench.world.clock.forward(days=8)
    assert await bench.verdict(bench.token.secret) is None


@pytest.mark.parametrize("what", ["disabled", "revoked", "expired"])
async def test_only_an_active_token_is_rotated(bench: Bench, what: str) -> None:
    system = bench.world.system
    if what == "disabled":
        await disable_token(system, OPERATOR, bench.id)
    elif what == "revoked":
        await revoke_tokens(system, OPERATOR, [bench.id])
    else:
        soon = bench.world.clock() + timedelta(seconds=1)
        asked = NewToken(bench.workspace_id, "short", ("jobs:read",), expires_at=soon)
        bench.id = (await create_token(system, OPERATOR, asked)).view.token.id
        bench.world.clock.forward(seconds=1)
    with pytest.raises(Conflict, match=what):
        await rotate_token(system, OPERATOR, bench.id)


async def test_the_successor_gets_the_whole_lifetime_again_within_the_policy(bench: Bench) -> None:
    system, clock = bench.world.system, bench.world.clock
    asked = NewToken(bench.workspace_id, "t", ("jobs:read",), expires_at=clock() + timedelta(days=90))
    old = await create_token(system, OPERATOR, asked)
    clock.forward(days=80)
    new = await rotate_token(system, OPERATOR, old.view.token.id)
    assert new.view.token.expires_at == clock() + timedelta(days=90)
    await update_workspace(system, OPERATOR, bench.workspace_id, WorkspaceChanges(lifetime_seconds_max=86_400))
    newer = await rotate_token(system, OPERATOR, new.view.token.id)
    assert newer.view.token.expires_at == clock() + timedelta(days=1)
    with pytest.raises(InvalidInput, match="expires_at"):
        await rotate_token(system, OPERATOR, bench.id)


async def test_a_rotation_needs_no_room_in_the_plan(bench: Bench) -> None:
    """Somebody with as many tokens as the plan has must still be able to replace one."""
    system = bench.world.system
    for number in range(19):
        await create_token(system, OPERATOR, NewToken(bench.workspace_id, f"t{number}", ("jobs:read",)))
    await rotate_token(system, OPERATOR, bench.id)


async def test_the_plan_counts_chains(bench: Bench) -> None:
    """Twenty of twenty rotate; no chain gives room for another token, and none piles tokens up."""
    system = bench.world.system
    ids = [bench.id]
    for number in range(19):
        issued = await create_token(system, OPERATOR, NewToken(bench.workspace_id, f"t{number}", ("jobs:read",)))
        ids.append(issued.view.token.id)
    successors = [await rotate_token(system, OPERATOR, one) for one in ids]
    await revoke_tokens(system, OPERATOR, [ids[2]])
    await rotate_token(system, OPERATOR, successors[2].view.token.id)  # its predecessor takes no place
    new = NewToken(bench.workspace_id, "one more", ("jobs:read",))
    with pytest.raises(PlanLimit):
        await create_token(system, OPERATOR, new)
    with pytest.raises(PlanLimit):  # its predecessor is good for another day
        await rotate_token(system, OPERATOR, successors[0].view.token.id)
    await revoke_tokens(system, OPERATOR, [successors[1].view.token.id])
    with pytest.raises(PlanLimit):  # of that chain the predecessor is good
        await create_token(system, OPERATOR, new)
    await revoke_tokens(system, OPERATOR, [ids[1]])
    third = await rotate_token(system, OPERATOR, successors[0].view.token.id)
    assert third.view.token.chain_id == bench.id
    with pytest.raises(PlanLimit):  # the third good token of its chain has taken the place
        await create_token(system, OPERATOR, new)
    bench.world.clock.forward(days=1)
    await create_token(system, OPERATOR, new)


async def test_waiting_is_asked_for_where_access_is_taken_away(bench: Bench) -> None:
    """T is 0 here by default; with T of a second, a grace of 0 waits it out, and a grace of a day need not."""
    world = make_world(bench.world.system.store, staleness_seconds=1.0, clock=bench.world.clock)
    first = await rotate_token(world.system, OPERATOR, bench.id)
    assert (world.naps, first.effective_at) == ([], world.clock())
    second = await rotate_token(world.system, OPERATOR, first.view.token.id, grace_seconds=0)
    assert (world.naps, second.effective_at) == ([1.0], world.clock() + timedelta(seconds=1))
    third = await rotate_token(world.system, OPERATOR, second.view.token.id, grace_seconds=0, wait=False)
    assert (world.naps, third.effective_at) == ([1.0], world.clock() + timedelta(seconds=1))


async def test_whoever_holds_a_token_may_revoke_it_with_itself(bench: Bench) -> None:
    system = bench.world.system
    caller = TokenCaller(bench.id, "CI", bench.workspace_id, FACTS)
    changed = await revoke_secret(system, caller, bench.token.secret)
    assert changed is not None
    assert await bench.verdict(bench.token.secret) is Reason.REVOKED


async def test_a_token_may_be_among_those_it_revokes(bench: Bench) -> None:
    system = bench.world.system
    made = [
        await create_token(system, OPERATOR, NewToken(bench.workspace_id, f"t{n}", ("tokens:revoke",)))
        for n in range(3)
    ]
    caller = TokenCaller(made[0].view.token.id, "t", bench.workspace_id, FACTS)
    views, _ = await revoke_tokens(system, caller, [one.view.token.id for one in made])
    assert [view.status for view in views] == ["revoked"] * 3


async def test_a_revoked_token_is_neither_disabled_nor_enabled(bench: Bench) -> None:
    system = bench.world.system
    await revoke_tokens(system, OPERATOR, [bench.id])
    for change in (disable_token, enable_token):
        with pytest.raises(Conflict, match="A revoked token cannot be"):
            await change(system, OPERATOR, bench.id)
