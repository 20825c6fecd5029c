"""Members: somebody is always left who can set things right."""

from __future__ import annotations

import asyncio

import pytest

from spacekey.domain.page import page_request
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.authority import authority_in
from spacekey.resolvers.members.members import Invited, add_account, add_member, change_member_role, remove_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.workspaces.lists import audit_list
from spacekey.resolvers.workspaces.roles import delete_role
from support.snapshot import snapshot
from support.world import OPERATOR, make_world


async def test_the_last_owner_stays_an_owner(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    one = await world.member(workspace, "owner")
    for caller in (one, OPERATOR):
        with pytest.raises(Conflict, match="last owner"):
            await change_member_role(world.system, caller, workspace.id, one.id, role="viewer")
        with pytest.raises(Conflict, match="last owner"):
            await remove_member(world.system, caller, workspace.id, one.id)
    two = await world.member(workspace, "owner")
    await change_member_role(world.system, two, workspace.id, one.id, role="viewer")
    with pytest.raises(Conflict, match="last owner"):
        await remove_member(world.system, two, workspace.id, two.id)


async def test_two_owners_who_remove_each_other_at_once_leave_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    one, two = await world.member(workspace, "owner"), await world.member(workspace, "owner")
    answers = await asyncio.gather(
        remove_member(world.system, one, workspace.id, two.id),
        remove_member(world.system, two, workspace.id, one.id),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 1
    assert isinstance(refused[0], NotFound | Conflict)


async def test_a_member_is_added_once(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    await world.member(workspace, "viewer", "a@example.com")
    with pytest.raises(Conflict, match="already"):
        await add_member(world.system, OPERATOR, workspace.id, email="A@Example.com", role="owner")


async def test_tokens_outlive_the_member_who_made_them(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    maker = await world.member(workspace, "administrator", "maker@example.com")
    issued = await create_token(world.system, maker, NewToken(workspace.id, "CI", ("viewer",)))
    await remove_member(world.system, OPERATOR, workspace.id, maker.id)
    view = await token_view(world.system, OPERATOR, issued.view.token.id)
    assert (view.status, view.token.created_by_name) == ("active", "maker@example.com")
    assert view.public_id == f"maker@example.com_{issued.view.token.id}"
    with pytest.raises(NotFound):
        await token_view(world.system, maker, issued.view.token.id)


async def test_a_role_that_members_hold_is_not_removed(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    await world.member(workspace, "viewer")
    with pytest.raises(Conflict, match="still held by 1 member;"):
        await delete_role(world.system, OPERATOR, workspace.id, name="viewer")
    await delete_role(world.system, OPERATOR, workspace.id, name="manager")


@pytest.mark.parametrize("known", [True, False])
async def test_inviting_an_address_does_not_tell_whether_it_has_an_account(store: Store, known: bool) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit")
    owner = await world.member(workspace, "owner", "owner@example.com")
    if known:
        await world.member(await world.workspace("spooled"), "owner", "carol@example.com")
    invited = await add_member(world.system, owner, workspace.id, email="carol@example.com", role="viewer")
    assert isinstance(invited, Invited)
    assert (invited.pending.name, invited.pending.email) == (None, "carol@example.com")
    events = await audit_list(world.system, owner, workspace.id, page_request(1, None, None, None))
    assert [event.target_id for event in events.rows] == [invited.pending.id]


async def test_an_account_that_is_a_member_already_is_not_added_again(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace", plan="business")
    member = await world.member(workspace, "viewer")
    before = await snapshot(store)
    with pytest.raises(Conflict, match="is a member already; change the role instead"):
        await add_account(world.system, OPERATOR, workspace.id, member.id, role="administrator")
    assert await snapshot(store) == before


async def test_an_authority_covers_its_own_workspace_s_tokens_only(store: Store) -> None:
    world = make_world(store)
    workspace, other = await world.workspace("spooled"), await world.workspace("spooled")
    own, foreign = [
        (await create_token(world.system, OPERATOR, NewToken(one.id, "t", ("jobs:read",)))).view.token
        for one in (workspace, other)
    ]
    async with store.reading() as session:
        authority = await authority_in(session, world.system, OPERATOR, workspace.id)
    assert authority.covers(own)
    assert not authority.covers(foreign)
