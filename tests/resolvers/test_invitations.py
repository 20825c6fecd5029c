"""Invitations that nobody has accepted yet: seen by those who may see members, and taken back."""

from __future__ import annotations

import asyncio

import pytest

from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import Forbidden, NotFound, ScopeNotAllowed
from spacekey.models.store import Store
from spacekey.models.user import Invitation, User
from spacekey.models.workspace import Workspace
from spacekey.resolvers.accept_invitation import accept_invitation
from spacekey.resolvers.caller import Caller
from spacekey.resolvers.invitations import INVITATION_LIFETIME, withdraw_invitation
from spacekey.resolvers.list_many import invitation_lists
from spacekey.resolvers.members import add_member
from spacekey.resolvers.sessions import SignedIn
from support.world import FACTS, OPERATOR, World, make_world

FIRST = "nine yellow umbrellas outside"


async def invited(world: World, workspace: Workspace, email: str, role: str = "viewer", by: Caller = OPERATOR) -> str:
    """A code."""
    added = await add_member(world.system, by, workspace.id, email=email, role=role)
    assert added.invitation is not None
    return added.invitation.reveal()


async def listed(world: World, caller: Caller, workspace: Workspace) -> list[tuple[Invitation, User]]:
    (page,) = await invitation_lists(world.system, caller, [workspace.id], PageRequest(10))
    if not isinstance(page, Page):
        raise page
    return page.rows


async def accept(world: World, code: str) -> SignedIn:
    return await accept_invitation(world.system, FACTS, None, code=code, password=FIRST)


async def test_those_that_wait_are_listed_newest_first_with_who_asked(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner = await world.member(workspace, "owner", "owner@example.com")
    for number in range(3):
        world.clock.forward(seconds=1)
        await invited(world, workspace, f"{number}@example.com", by=owner)
    await invited(world, await world.workspace("teamspace"), "elsewhere@example.com")
    found = await listed(world, owner, workspace)
    assert [user.email for _, user in found] == ["2@example.com", "1@example.com", "0@example.com"]
    assert {(row.role, row.invited_by) for row, _ in found} == {("viewer", "owner@example.com")}


async def test_accepted_replaced_and_expired_ones_are_not_listed(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    old = await invited(world, workspace, "again@example.com")
    new = await invited(world, workspace, "again@example.com")
    assert len(await listed(world, OPERATOR, workspace)) == 1
    with pytest.raises(NotFound):
        await accept(world, old)
    await accept(world, new)
    assert await listed(world, OPERATOR, workspace) == []
    await invited(world, workspace, "late@example.com")
    world.clock.now += INVITATION_LIFETIME
    assert await listed(world, OPERATOR, workspace) == []


async def test_who_was_added_at_once_waits_no_more(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, known = await world.member(workspace, "owner"), await world.user("known@example.com")
    code = await invited(world, workspace, known.name, by=owner)
    await add_member(world.system, OPERATOR, workspace.id, email=known.name, role="viewer")
    assert await listed(world, owner, workspace) == []
    with pytest.raises(NotFound):
        await accept(world, code)


async def test_a_withdrawn_code_is_good_for_nothing(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner = await world.member(workspace, "owner")
    code, other = await invited(world, workspace, "a@example.com"), await invited(world, workspace, "b@example.com")
    waiting = {user.email: row.id for row, user in await listed(world, owner, workspace)}
    await withdraw_invitation(world.system, owner, waiting["a@example.com"])
    with pytest.raises(NotFound):
        await accept(world, code)
    with pytest.raises(NotFound):
        await withdraw_invitation(world.system, owner, waiting["a@example.com"])
    await accept(world, other)
    with pytest.raises(NotFound):
        await withdraw_invitation(world.system, owner, waiting["b@example.com"])


async def test_who_may_not_write_members_withdraws_nothing(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    manager, viewer = await world.member(workspace, "administrator"), await world.member(workspace, "viewer")
    stranger = await world.member(await world.workspace("teamspace"), "owner")
    code = await invited(world, workspace, "boss@example.com", "owner")
    ((waiting, _),) = await listed(world, OPERATOR, workspace)
    with pytest.raises(Forbidden):
        await withdraw_invitation(world.system, viewer, waiting.id)
    with pytest.raises(ScopeNotAllowed):
        await withdraw_invitation(world.system, manager, waiting.id)
    with pytest.raises(NotFound):
        await withdraw_invitation(world.system, stranger, waiting.id)
    assert (await accept(world, code)).user.email == "boss@example.com"


async def test_of_accepting_and_withdrawing_at_once_one_happens(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    for number in range(5):
        code = await invited(world, workspace, f"{number}@example.com")
        ((waiting, _),) = await listed(world, OPERATOR, workspace)
        answers = await asyncio.gather(
            accept(world, code), withdraw_invitation(world.system, OPERATOR, waiting.id), return_exceptions=True
        )
        assert [type(one) for one in answers] in ([SignedIn, NotFound], [NotFound, type(None)])
