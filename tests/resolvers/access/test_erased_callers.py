"""A request of someone who is erased meanwhile changes nothing, and makes no account or membership of theirs again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from spacekey.domain.refusal import UserError
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.sessions import change_password, end_session, own_sessions, sign_in
from spacekey.resolvers.accounts.users import own_account, prove_email, reset_password, update_account
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_account, add_member, change_member_role, remove_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, create_workspace, update_workspace
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

Doing = Callable[[World, Workspace, MemberCaller, str], Awaitable[object]]
NEW = "eleven quiet trams before dawn"

REFUSED: dict[str, Doing] = {
    "accept an invitation": lambda world, _home, caller, code: accept_invitation(
        world.system, FACTS, caller, code=code
    ),
    "see the account": lambda world, _home, caller, _code: own_account(world.system, caller),
    "change the account": lambda world, _home, caller, _code: update_account(world.system, caller, name="Back"),
    "end a session": lambda world, _home, caller, _code: end_session(world.system, caller, "ses_none", None),
    "make a workspace": lambda world, _home, caller, _code: create_workspace(
        world.system, caller, name="Mine", slug="mine-again", product="spooled", plan=None
    ),
    "make a token": lambda world, home, caller, _code: create_token(
        world.system, caller, NewToken(home.id, "t", ("jobs:read",))
    ),
    "make a space": lambda world, home, caller, _code: create_space(
        world.system, caller, home.id, name="main", slug="main"
    ),
    "invite": lambda world, home, caller, _code: add_member(
        world.system, caller, home.id, email="x@example.com", role="member"
    ),
    "change the workspace": lambda world, home, caller, _code: update_workspace(
        world.system, caller, home.id, WorkspaceChanges(name="Theirs")
    ),
    "be added": lambda world, home, caller, _code: add_account(
        world.system, OPERATOR, home.id, caller.id, role="member"
    ),
    "be given a role": lambda world, home, caller, _code: change_member_role(
        world.system, OPERATOR, home.id, caller.id, role="admin"
    ),
    "be removed": lambda world, home, caller, _code: remove_member(world.system, OPERATOR, home.id, caller.id),
    "have an address proven": lambda world, _home, caller, _code: prove_email(world.system, OPERATOR, caller.id),
    "be given a password": lambda world, _home, caller, _code: reset_password(
        world.system, OPERATOR, caller.id, password=NEW
    ),
}


@pytest.mark.parametrize("doing", REFUSED)
async def test_who_is_erased_can_do_nothing_more(store: Store, doing: str) -> None:
    world = make_world(store)
    home, other = await world.workspace("spooled"), await world.workspace("spooled")
    await world.member(home, "owner")
    eve = await world.member(home, "owner", "eve@example.com")
    invited = await add_member(world.system, OPERATOR, other.id, email="new@example.com", role="member")
    assert isinstance(invited, Invited)
    await erase_user(world.system, OPERATOR, eve.id)
    before = await snapshot(store)
    with pytest.raises(UserError):
        await REFUSED[doing](world, home, eve, invited.invitation.reveal())
    assert await snapshot(store) == before
    assert await own_sessions(world.system, eve, None) == []


async def test_who_is_erased_changes_no_password_and_does_not_sign_in(store: Store) -> None:
    world = make_world(store)
    eve = await world.user("eve@example.com")
    await erase_user(world.system, OPERATOR, eve.id)
    for attempt in (
        change_password(world.system, eve, current=PASSWORD, new=NEW),
        sign_in(world.system, FACTS, email="eve@example.com", password=PASSWORD),
        sign_in(world.system, FACTS, email=eve.id, password=PASSWORD),
    ):
        with pytest.raises(UserError):
            await attempt
