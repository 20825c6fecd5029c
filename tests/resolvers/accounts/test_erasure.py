"""Erasing a person takes their names and addresses out of everything and leaves a log that verifies."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from spacekey.domain.refusal import Conflict, NotFound, UserError
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.queries.audit import audit_events
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.sessions import sign_in
from spacekey.resolvers.accounts.users import update_account
from spacekey.resolvers.addresses import shown_account
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member, change_member_role
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

ADDRESS = "eve.adams@example.com"


async def problems(system: System) -> set[str | None]:
    return {one.problem for one in await verify_chains(system)}


async def busy(world: World) -> tuple[str, str, str]:
    """A person with traces everywhere: their id, a workspace's and a token's."""
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    eve = await world.user(ADDRESS)
    await add_member(world.system, owner, workspace.id, email=ADDRESS, role="member")
    await add_member(world.system, OPERATOR, workspace.id, email=ADDRESS, role="admin")
    await sign_in(world.system, FACTS, email=ADDRESS, password=PASSWORD)
    await change_member_role(world.system, owner, workspace.id, eve.id, role="member")
    await change_member_role(world.system, owner, workspace.id, eve.id, role="admin")
    made = await create_token(world.system, eve, NewToken(workspace.id, "bot", ("jobs:read",)))
    await add_member(world.system, eve, workspace.id, email="bob@example.com", role="member")
    other = await world.workspace("guard")
    await add_member(world.system, OPERATOR, other.id, email=ADDRESS, role="member")
    return eve.id, workspace.id, made.view.token.id


async def test_no_name_or_address_is_left_and_every_chain_verifies(store: Store) -> None:
    world = make_world(store)
    eve, workspace, token = await busy(world)
    assert ADDRESS in repr(await snapshot(store))
    erased = await erase_user(world.system, OPERATOR, eve)
    assert (erased.user_id, erased.memberships > 0, erased.tokens) == (eve, True, 1)
    after = repr(await snapshot(store))
    assert ADDRESS not in after
    assert eve in after
    assert "bob@example.com" in after
    assert await problems(world.system) == {None}
    reports = {one.chain: one for one in await verify_chains(world.system)}
    assert reports[workspace].erased > 0
    assert reports[SYSTEM_CHAIN].erased > 0
    view = await token_view(world.system, OPERATOR, token)
    assert (view.token.created_by.id, view.token.created_by.name, view.status) == (eve, "", "active")
    with pytest.raises(UserError):
        await sign_in(world.system, FACTS, email=ADDRESS, password=PASSWORD)
    async with store.reading() as session:
        last = [event async for event in audit_events(session, SYSTEM_CHAIN, "user.erase")][-1]
    assert (last.target_id, last.actor.id) == (eve, "operator")


async def test_an_erasure_that_is_not_on_record_is_reported(store: Store) -> None:
    world = make_world(store)
    eve, workspace, _ = await busy(world)
    statement = (
        "UPDATE spacekey_audit_events SET actor_name = '', ip = '', user_agent = '', actor_salt = NULL, "
        "actor_erased = true WHERE actor_id = :id AND chain = :chain"
    )
    async with store.changing() as session:
        await (await session.connection()).execute(text(statement), {"id": eve, "chain": workspace})
    found = {one.chain: one.problem for one in await verify_chains(world.system)}
    assert "no erasure of this person is recorded" in str(found[workspace])


async def test_the_last_owner_and_strangers_are_refused_and_nothing_changes(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    before = await snapshot(store)
    with pytest.raises(Conflict, match=workspace.id):
        await erase_user(world.system, OPERATOR, owner.id)
    for unknown in ("usr_00000000000000000000000000", "key_00000000000000000000000000", "", owner.name):
        with pytest.raises(NotFound):
            await erase_user(world.system, OPERATOR, unknown)
    assert await snapshot(store) == before


async def invited(world: World, workspace: str, email: str) -> str:
    """The code of an invitation."""
    made = await add_member(world.system, OPERATOR, workspace, email=email, role="member")
    assert isinstance(made, Invited)
    return made.invitation.reveal()


async def joined(world: World, workspace: str, email: str) -> User:
    """A person who accepted an invitation: the address is claimed, and nothing proves it."""
    code = await invited(world, workspace, email)
    return (await accept_invitation(world.system, FACTS, None, code=code, password=PASSWORD, name="Eve")).user


async def test_who_only_claims_an_address_takes_no_invitation_and_no_trace_of_its_holder_away(store: Store) -> None:
    world = make_world(store)
    workspace, other = await world.workspace("spooled"), await world.workspace("spooled")
    claimant = await joined(world, workspace.id, ADDRESS)
    code = await invited(world, other.id, ADDRESS)
    await erase_user(world.system, OPERATOR, claimant.id)
    async with store.reading() as session:
        kept = [event.target_name async for event in audit_events(session, other.id, "member.invite")]
        gone = [event.target_name async for event in audit_events(session, workspace.id)]
    assert kept == [ADDRESS]
    assert set(gone) == {""}
    accepted = await accept_invitation(world.system, FACTS, None, code=code, password=PASSWORD, name="Eve Adams")
    assert accepted.workspace_id == other.id
    assert await problems(world.system) == {None}


async def test_an_address_of_before_goes_with_the_invitation_that_was_accepted_with_it(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    eve = await joined(world, workspace.id, ADDRESS)
    caller = MemberCaller(eve.id, shown_account(eve), FACTS)
    await update_account(world.system, caller, email="eve@elsewhere.example", sign_in_name="eve")
    await erase_user(world.system, OPERATOR, eve.id)
    after = repr(await snapshot(store))
    assert "eve@elsewhere.example" not in after
    assert ADDRESS not in after
    assert await problems(world.system) == {None}


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_erased_people_come_back_as_others(store: Store) -> None:
    world = make_world(store)
    eve = await world.user(ADDRESS)
    await erase_user(world.system, OPERATOR, eve.id)
    again = await world.user(ADDRESS)
    assert again.id != eve.id
    assert await problems(world.system) == {None}


CHANGES: dict[str, dict[str, str | None]] = {
    "another address": {"email": "eve@elsewhere.example"},
    "no address": {"email": None},
    "back and forth": {"email": "eve@elsewhere.example", "then": ADDRESS},
}


async def moved(world: World, eve: MemberCaller, change: str) -> None:
    """Give up a proven address; "back and forth" claims it again without proving it."""
    steps = CHANGES[change]
    await update_account(world.system, eve, email=steps["email"])
    if "then" in steps:
        await update_account(world.system, eve, email=steps["then"])
    await update_account(world.system, eve, sign_in_name="eve")
    world.clock.forward(minutes=1)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_proven_address_goes_after_it_was_changed(store: Store, change: str) -> None:
    world = make_world(store)
    eve, _, _ = await busy(world)
    home = await world.workspace("spooled")
    inviter = await world.member(home, "owner")
    made = await add_member(world.system, inviter, home.id, email=ADDRESS, role="member")
    assert isinstance(made, Invited)
    await moved(world, MemberCaller(eve, ADDRESS, FACTS), change)
    await erase_user(world.system, OPERATOR, eve)
    after = repr(await snapshot(store))
    assert ADDRESS not in after
    assert "eve@elsewhere.example" not in after
    assert await problems(world.system) == {None}
    with pytest.raises(NotFound):
        await accept_invitation(
            world.system, FACTS, None, code=made.invitation.reveal(), password=PASSWORD, name="Stranger"
        )


@pytest.mark.parametrize("spelled", ["Eve@Bücher.example", "EVE.ADAMS@example.com", "eve@xn--80ak6aa92e.com"])
async def test_a_former_address_is_found_however_it_is_shown(store: Store, spelled: str) -> None:
    world = make_world(store)
    eve = await world.user(spelled)
    home = await world.workspace("spooled")
    inviter = await world.member(home, "owner")
    made = await add_member(world.system, inviter, home.id, email=spelled, role="member")
    assert isinstance(made, Invited)
    await update_account(world.system, eve, email=None, sign_in_name="eve")
    await erase_user(world.system, OPERATOR, eve.id)
    assert made.pending.email not in repr(await snapshot(store))
    assert await problems(world.system) == {None}


async def test_what_came_after_another_person_proved_a_former_address_is_that_persons(store: Store) -> None:
    world = make_world(store)
    eve = await world.user(ADDRESS)
    home, other = await world.workspace("spooled"), await world.workspace("spooled")
    early = await invite_only(world, home)
    await moved(world, eve, "another address")
    next_one = await world.user(ADDRESS)
    world.clock.forward(minutes=1)
    late = await invite_only(world, other)
    await erase_user(world.system, OPERATOR, eve.id)
    async with store.reading() as session:
        first = [event.target_name async for event in audit_events(session, home.id, "member.invite")]
        second = [event.target_name async for event in audit_events(session, other.id, "member.invite")]
    assert (first, second) == ([""], [ADDRESS])
    with pytest.raises(NotFound):
        await accept_invitation(world.system, FACTS, next_one, code=early)
    assert (await accept_invitation(world.system, FACTS, next_one, code=late)).user.id == next_one.id
    await erase_user(world.system, OPERATOR, next_one.id)
    assert ADDRESS not in repr(await snapshot(store))
    assert await problems(world.system) == {None}


async def invite_only(world: World, workspace: Workspace) -> str:
    """The code of an owner's invitation, which adds no account at once."""
    owner = await world.member(workspace, "owner")
    made = await add_member(world.system, owner, workspace.id, email=ADDRESS, role="member")
    assert isinstance(made, Invited)
    return made.invitation.reveal()
