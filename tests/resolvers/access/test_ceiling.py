"""The ceiling rule: nobody hands out more than they hold, by whatever door."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacekey.domain.product import Plan
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound, PlanLimit, ScopeNotAllowed, UserError
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.authority import authority_in
from spacekey.resolvers.access.caller import Caller, MemberCaller, TokenCaller
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member, change_member_role, remove_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.volume import volume
from support.world import FACTS, OPERATOR, World, make_world


async def token_caller(
    world: World, workspace: Workspace, *grants: str, space_id: str | None = None, environment: str | None = None
) -> TokenCaller:
    """A token as a caller of its own."""
    new = NewToken(workspace.id, "caller", grants, space_id=space_id, environment=environment)
    issued = await create_token(world.system, OPERATOR, new)
    return TokenCaller(issued.view.token.id, "caller", workspace.id, FACTS)


async def scopes_in(world: World, caller: Caller, workspace: Workspace) -> frozenset[str]:
    async with world.system.store.reading() as session:
        return (await authority_in(session, world.system, caller, workspace.id)).scopes


@pytest.mark.parametrize("grants", [("owner",), ("administrator",), ("biller",), ("deleter",)])
async def test_a_manager_cannot_make_a_stronger_token(store: Store, grants: tuple[str, ...]) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    manager = await world.member(workspace, "manager")
    await set_role(world.system, OPERATOR, workspace.id, name="biller", grants=["documents:read", "billing:read"])
    await set_role(world.system, OPERATOR, workspace.id, name="deleter", grants=["tokens:delete"])
    with pytest.raises(ScopeNotAllowed):
        await create_token(world.system, manager, NewToken(workspace.id, "strong", grants))
    weak = await create_token(world.system, manager, NewToken(workspace.id, "weak", ("member",)))
    with pytest.raises(ScopeNotAllowed):
        await update_token(world.system, manager, weak.view.token.id, TokenChanges(grants=grants))
    assert (await token_view(world.system, manager, weak.view.token.id)).token.grants == ["member"]


MANAGER = ("documents:read", "tokens:read", "tokens:create", "tokens:update")


async def test_a_stronger_token_can_be_renamed_and_weakened_but_neither_rotated_nor_prolonged(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    await set_role(world.system, OPERATOR, workspace.id, name="rotator", grants=[*MANAGER, "tokens:revoke"])
    await set_role(world.system, OPERATOR, workspace.id, name="reader", grants=["documents:read"])
    manager = await world.member(workspace, "rotator")
    now, day = world.clock(), timedelta(days=1)
    asked = NewToken(workspace.id, "strong", ("owner",), expires_at=now + 30 * day)
    token_id = (await create_token(world.system, OPERATOR, asked)).view.token.id
    await update_token(world.system, manager, token_id, TokenChanges(name="renamed"))
    with pytest.raises(ScopeNotAllowed, match="You cannot rotate a token that holds scopes that you do not hold: "):
        await rotate_token(world.system, manager, token_id)
    for later in (None, now + 31 * day):
        with pytest.raises(ScopeNotAllowed, match="You cannot prolong a token that holds scopes that you do not"):
            await update_token(world.system, manager, token_id, TokenChanges(expires_at=later))
    for same_or_earlier in (now + 30 * day, now + 2 * day):
        changed = await update_token(world.system, manager, token_id, TokenChanges(expires_at=same_or_earlier))
        assert changed.view.token.expires_at == same_or_earlier
    with pytest.raises(ScopeNotAllowed, match="prolong"):
        await update_token(world.system, manager, token_id, TokenChanges(expires_at=now + 3 * day))
    weakened = TokenChanges(grants=("reader",), expires_at=now + 3 * day)
    assert (await update_token(world.system, manager, token_id, weakened)).view.scopes == {"documents:read"}


async def test_a_token_that_never_ends_may_be_given_an_end_by_whoever_may_edit(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    manager = await world.member(workspace, "manager")
    strong = await create_token(world.system, OPERATOR, NewToken(workspace.id, "strong", ("owner",)))
    token_id, end = strong.view.token.id, world.clock() + timedelta(days=1)
    assert (await update_token(world.system, manager, token_id, TokenChanges(expires_at=end))).view.status == "active"
    world.clock.forward(days=2)
    with pytest.raises(ScopeNotAllowed, match="prolong"):
        await update_token(world.system, manager, token_id, TokenChanges(expires_at=world.clock() + timedelta(hours=1)))


@pytest.mark.parametrize(("grants", "preset"), [(("jobs:worker",), None), (("jobs:write",), None), ((), "worker")])
async def test_shorthands_and_presets_count_as_what_they_expand_to(
    store: Store, grants: tuple[str, ...], preset: str | None
) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit")
    space = await world.space(workspace)
    caller = await token_caller(world, workspace, "tokens:create", "jobs:read", "jobs:ack", space_id=space.id)
    new = NewToken(workspace.id, "n", grants, space_id=space.id, preset=preset)
    with pytest.raises(ScopeNotAllowed) as refused:
        await create_token(world.system, caller, new)
    assert "jobs:complete" in refused.value.scopes
    assert "jobs:ack" not in refused.value.scopes


async def test_full_access_never_covers_management(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("guard", plan="paid")
    caller = await token_caller(world, workspace, "full_access", "tokens:create")
    issued = await create_token(world.system, caller, NewToken(workspace.id, "n", ("full_access",)))
    assert issued.view.scopes == frozenset(world.system.products["guard"].scopes)
    with pytest.raises(ScopeNotAllowed):
        await create_token(world.system, caller, NewToken(workspace.id, "n", ("full_access", "tokens:read")))


async def test_what_the_plan_cuts_cannot_be_handed_out(store: Store) -> None:
    world, workspace, owner = await on_a_small_plan(store)
    with pytest.raises(PlanLimit):
        await create_token(world.system, owner, NewToken(workspace.id, "n", ("jobs:write",)))
    issued = await create_token(world.system, owner, NewToken(workspace.id, "n", ("jobs:read",)))
    with pytest.raises(PlanLimit):
        await update_token(world.system, owner, issued.view.token.id, TokenChanges(grants=("dlq:read",)))


async def test_owners_make_owners_and_roles_whatever_the_plan_cuts(store: Store) -> None:
    """The plan cuts them all alike; an upgrade brings nothing to the one that the other does not hold."""
    world, workspace, owner = await on_a_small_plan(store)
    await add_member(world.system, owner, workspace.id, email="two@example.com", role="owner")
    other = await world.member(workspace, "owner")
    await set_role(world.system, owner, workspace.id, name="writer", grants=["jobs:write"])
    await change_member_role(world.system, owner, workspace.id, other.id, role="writer")
    await remove_member(world.system, owner, workspace.id, other.id)


async def on_a_small_plan(store: Store) -> tuple[World, Workspace, MemberCaller]:
    world = make_world(store)
    spooled = world.system.products["spooled"]
    small = Plan("small", "Small", None, frozenset({"jobs:read"}), None, True)
    product = replace(spooled, plans={"small": small}, default_plan="small")
    world.system = replace(world.system, products={"spooled": product})
    workspace = await world.workspace("spooled")
    return world, workspace, await world.member(workspace, "owner")


async def test_a_test_token_makes_no_live_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    means = ("tokens:create", "tokens:update", "tokens:revoke", "jobs:read")
    caller = await token_caller(world, workspace, *means, environment="test")
    live = await create_token(world.system, OPERATOR, NewToken(workspace.id, "live", ("jobs:read",)))
    with pytest.raises(InvalidInput, match="environment"):
        await create_token(world.system, caller, NewToken(workspace.id, "n", ("jobs:read",), environment="live"))
    with pytest.raises(InvalidInput, match="environment"):
        await rotate_token(world.system, caller, live.view.token.id)
    with pytest.raises(InvalidInput, match="environment"):
        await update_token(world.system, caller, live.view.token.id, TokenChanges(grants=("jobs:read",)))
    made = await create_token(world.system, caller, NewToken(workspace.id, "n", ("jobs:read",)))
    assert made.view.token.environment == "test"


async def test_a_space_token_stays_in_its_space(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    here, there = await world.space(workspace, "here"), await world.space(workspace, "there")
    everything = tuple(world.system.products["spooled"].known_scopes)
    caller = await token_caller(world, workspace, *everything, space_id=here.id)
    other = await create_token(world.system, OPERATOR, NewToken(workspace.id, "o", ("jobs:read",), space_id=there.id))
    for space_id in (there.id, None):
        with pytest.raises(NotFound):
            await create_token(world.system, caller, NewToken(workspace.id, "n", ("jobs:read",), space_id=space_id))
    with pytest.raises(NotFound):
        await rotate_token(world.system, caller, other.view.token.id)
    with pytest.raises(NotFound):
        await update_workspace(world.system, caller, workspace.id, WorkspaceChanges(name="mine"))
    with pytest.raises(NotFound):
        await set_role(world.system, caller, workspace.id, name="helper", grants=["jobs:read"])
    with pytest.raises(NotFound):
        await add_member(world.system, caller, workspace.id, email="a@b.c", role="member")


async def test_a_workspace_token_touches_no_other_workspace(store: Store) -> None:
    world = make_world(store)
    mine, other = await world.workspace("spooled"), await world.workspace("spooled")
    caller = await token_caller(world, mine, *world.system.products["spooled"].known_scopes)
    theirs = await create_token(world.system, OPERATOR, NewToken(other.id, "o", ("jobs:read",)))
    with pytest.raises(NotFound):
        await create_token(world.system, caller, NewToken(other.id, "n", ("jobs:read",)))
    with pytest.raises(NotFound):
        await rotate_token(world.system, caller, theirs.view.token.id)


async def test_roles_lie_within_what_their_giver_holds(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    system = world.system
    administrator = await world.member(workspace, "administrator")
    owner = await world.member(workspace, "owner")
    with pytest.raises(ScopeNotAllowed):
        await add_member(system, administrator, workspace.id, email="x@example.com", role="owner")
    with pytest.raises(ScopeNotAllowed):
        await change_member_role(system, administrator, workspace.id, owner.id, role="viewer")
    with pytest.raises(ScopeNotAllowed):
        await remove_member(system, administrator, workspace.id, owner.id)
    with pytest.raises(ScopeNotAllowed):
        await change_member_role(system, administrator, workspace.id, administrator.id, role="owner")
    with pytest.raises(Forbidden):
        await set_role(system, administrator, workspace.id, name="viewer", grants=["billing:write"])


async def test_a_role_cannot_be_configured_beyond_its_configurer(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    system = world.system
    await set_role(system, OPERATOR, workspace.id, name="configurer", grants=["workspace:write", "documents:read"])
    caller = await token_caller(world, workspace, "configurer")
    with pytest.raises(ScopeNotAllowed):
        await set_role(system, caller, workspace.id, name="helper", grants=["billing:read"])
    with pytest.raises(ScopeNotAllowed):
        await set_role(system, caller, workspace.id, name="administrator", grants=["documents:read"])
    await set_role(system, caller, workspace.id, name="helper", grants=["documents:read"])


@pytest.mark.parametrize("closed", [(), ("documents:read", "workspace:write")])
async def test_a_policy_is_opened_only_for_what_one_holds(store: Store, closed: tuple[str, ...]) -> None:
    """An empty policy too: it is not the absence of one."""
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    system = world.system
    await set_role(system, OPERATOR, workspace.id, name="clerk", grants=["workspace:write", "documents:read"])
    clerk = await world.member(workspace, "clerk")
    await update_workspace(system, OPERATOR, workspace.id, WorkspaceChanges(scopes_allowed=closed))
    for wider in (None, ("billing:read",)):
        with pytest.raises(ScopeNotAllowed):
            await update_workspace(system, clerk, workspace.id, WorkspaceChanges(scopes_allowed=wider))
    await update_workspace(system, clerk, workspace.id, WorkspaceChanges(scopes_allowed=("documents:read",)))


SCOPES = ["jobs:read", "jobs:write", "dlq:read", "tokens:create", "tokens:update", "tokens:read"]
some = st.lists(st.sampled_from(SCOPES), min_size=1, max_size=4, unique=True)
steps = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "rotate", "role", "member", "promote", "policy"]),
        some,
        st.integers(0, 9),
    ),
    max_size=12,
)


@pytest.mark.repeats
@given(held=some, moves=steps)
@settings(max_examples=volume(short=8, long=25), deadline=None, suppress_health_check=list(HealthCheck))
def test_no_sequence_of_a_callers_moves_goes_beyond_what_it_held(
    database_url: str, held: list[str], moves: list[tuple[str, list[str], int]]
) -> None:
    """One caller with some scopes and every means of handing scopes on; nobody else does anything."""
    asyncio.run(_climb(database_url, held, moves))


async def _climb(database_url: str, held: list[str], moves: list[tuple[str, list[str], int]]) -> None:
    store = Store(database_url)
    try:
        world = make_world(store)
        workspace = await world.workspace("spooled")
        means = ["tokens:create", "tokens:update", "tokens:revoke", "workspace:write", "members:write", *held]
        await set_role(world.system, OPERATOR, workspace.id, name="climber", grants=means)
        climber = await world.member(workspace, "climber")
        ceiling = await scopes_in(world, climber, workspace)
        callers: list[Caller] = [climber]
        tokens: list[str] = []
        for move, scopes, pick in moves:
            caller = callers[pick % len(callers)]
            try:
                await _move(world, workspace, caller, move, scopes, tokens, callers)
            except UserError:
                continue
        for token_id in tokens:
            assert (await token_view(world.system, OPERATOR, token_id)).scopes <= ceiling
        for caller in callers:
            assert await scopes_in(world, caller, workspace) <= ceiling
    finally:
        await store.aclose()


async def _move(
    world: World,
    workspace: Workspace,
    caller: Caller,
    move: str,
    scopes: list[str],
    tokens: list[str],
    callers: list[Caller],
) -> None:
    """One attempt; what it makes may attempt things later."""
    system = world.system
    match move:
        case "create" | "rotate":
            new = NewToken(workspace.id, "t", tuple(scopes))
            issued = (
                await rotate_token(system, caller, tokens[-1])
                if move == "rotate" and tokens
                else await create_token(system, caller, new)
            )
            tokens.append(issued.view.token.id)
            callers.append(TokenCaller(issued.view.token.id, "t", workspace.id, FACTS))
        case "update" if tokens:
            await update_token(system, caller, tokens[0], TokenChanges(grants=tuple(scopes)))
        case "role":
            await set_role(system, caller, workspace.id, name="made", grants=scopes)
        case "member":
            email = f"m{len(callers)}@example.com"
            added = await add_member(system, caller, workspace.id, email=email, role="made")
            assert isinstance(added, Invited)
            code = added.invitation.reveal()
            joined = await accept_invitation(system, FACTS, None, code=code, password="nine yellow umbrellas out")
            callers.append(MemberCaller(joined.user.id, email, FACTS))
        case "promote":
            await change_member_role(system, caller, workspace.id, callers[0].id, role="owner")
        case "policy":
            await update_workspace(system, caller, workspace.id, WorkspaceChanges(scopes_allowed=tuple(scopes)))
