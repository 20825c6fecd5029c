"""An application that has Spacekey in its process does what the operator may, in its own products, and is held to a
ceiling that it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.page import AuditFilter, PageRequest
from spacekey.domain.refusal import InvalidInput, NotFound, ScopeNotAllowed
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import HostCaller
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.lists import audit_list
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.world import FACTS, OPERATOR, make_world

ADA = Actor(ActorKind.EXTERNAL, "User 7 <ada@example.com>", "Ada")
HOST = HostCaller(FACTS, ADA)


async def test_a_host_sets_plans_and_limits_and_its_user_is_the_actor(store: Store) -> None:
    world = make_world(store)
    home = await world.workspace("spooled", plan="free")
    paid = next(plan for plan in world.system.products["spooled"].plans.values() if not plan.self_service)
    await update_workspace(world.system, HOST, home.id, WorkspaceChanges(plan=paid.name, per_minute=5, burst=5))
    issued = await create_token(world.system, HOST, NewToken(home.id, "t", ("jobs:read",)))
    view = await token_view(world.system, HOST, issued.view.token.id)
    assert view.token.created_by == ADA
    page = await audit_list(world.system, HOST, home.id, PageRequest(10), AuditFilter(actor_id=ADA.id))
    assert [(event.action, event.actor, event.credential) for event in page.rows] == [
        ("token.create", ADA, "host application"),
        ("workspace.update", ADA, "host application"),
    ]


async def test_without_a_user_the_operator_is_the_actor(store: Store) -> None:
    world = make_world(store)
    home = await world.workspace("spooled")
    issued = await create_token(world.system, HostCaller(FACTS), NewToken(home.id, "t", ("jobs:read",)))
    assert issued.view.token.created_by.kind is ActorKind.OPERATOR


async def test_a_host_is_held_to_what_it_names(store: Store) -> None:
    """Creating, editing, prolonging, enabling and rotating are all held to it; taking away is not."""
    world = make_world(store)
    home = await world.workspace("spooled")
    bound = replace(HOST, granted_by=("jobs:read",))
    new = NewToken(home.id, "t", ("jobs:read", "jobs:write"))
    with pytest.raises(ScopeNotAllowed, match="jobs:write"):
        await create_token(world.system, bound, new)
    token_id = (await create_token(world.system, HOST, new)).view.token.id
    await update_token(world.system, bound, token_id, TokenChanges(name="renamed"))
    for change in (TokenChanges(grants=("jobs:write",)), TokenChanges(grants=("tokens:read",))):
        with pytest.raises(ScopeNotAllowed):
            await update_token(world.system, bound, token_id, change)
    with pytest.raises(ScopeNotAllowed):
        await rotate_token(world.system, bound, token_id)
    await disable_token(world.system, bound, token_id)
    with pytest.raises(ScopeNotAllowed):
        await enable_token(world.system, bound, token_id)
    await update_token(world.system, bound, token_id, TokenChanges(grants=("jobs:read",)))
    await enable_token(world.system, bound, token_id)
    await revoke_token(world.system, bound, token_id)


async def test_a_ceiling_that_names_nothing_is_refused_with_near_matches(store: Store) -> None:
    world = make_world(store)
    home = await world.workspace("spooled")
    with pytest.raises(InvalidInput, match=r"granted_by: Unknown scope 'jobs:reed'\. Did you mean 'jobs:read'"):
        await create_token(world.system, replace(HOST, granted_by=("jobs:reed",)), NewToken(home.id, "t", ("x",)))


async def test_a_host_reaches_the_products_that_it_loaded_alone(store: Store) -> None:
    """A workspace of another product looks as if it did not exist, like an unknown one and a deleted one."""
    world = make_world(store)
    home = await world.workspace("spooled")
    token_id = (await create_token(world.system, HOST, NewToken(home.id, "t", ("jobs:read",)))).view.token.id
    products = {"emit": world.system.products["emit"]}
    elsewhere = replace(world.system, products=products)
    with pytest.raises(NotFound):
        await create_token(elsewhere, HOST, NewToken(home.id, "t", ("jobs:read",)))
    with pytest.raises(NotFound):
        await token_view(elsewhere, HOST, token_id)
    with pytest.raises(NotFound):
        await revoke_token(elsewhere, HOST, token_id)


async def test_a_user_of_the_host_is_no_account_whatever_its_id(store: Store) -> None:
    """The host's ids may look like Spacekey's own: erasing an account does not touch what the host's user did."""
    world = make_world(store)
    home = await world.workspace("spooled")
    account = await world.user("grace@example.com")
    same = HostCaller(FACTS, Actor(ActorKind.EXTERNAL, account.id, "Ada"))
    unknown = HostCaller(FACTS, Actor(ActorKind.EXTERNAL, "usr_00000000000000000000000000", "Bob"))
    token_id = (await create_token(world.system, same, NewToken(home.id, "t", ("jobs:read",)))).view.token.id
    await create_token(world.system, unknown, NewToken(home.id, "t", ("jobs:read",)))
    await erase_user(world.system, OPERATOR, account.id)
    assert (await token_view(world.system, HOST, token_id)).token.created_by.name == "Ada"
    page = await audit_list(world.system, HOST, home.id, PageRequest(10), AuditFilter(actor_id=account.id))
    assert [event.actor.name for event in page.rows] == ["Ada"]
