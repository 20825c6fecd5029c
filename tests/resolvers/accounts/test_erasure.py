"""Erasing a person takes their names and addresses out of everything and leaves a log that verifies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import pytest
import pytest_asyncio
from sqlalchemy import event, text
from sqlalchemy.util import await_only

from spacekey.domain.refusal import Conflict, NotFound, UserError
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.queries.audit import audit_events
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller, RequestFacts
from spacekey.resolvers.accounts.erasure import Erased, erase_user
from spacekey.resolvers.accounts.sessions import (
    change_password,
    end_other_sessions,
    end_session,
    own_sessions,
    sign_in,
    sign_out,
)
from spacekey.resolvers.accounts.users import own_account, prove_email, reset_password, update_account
from spacekey.resolvers.addresses import shown_account
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_account, add_member, change_member_role, remove_member
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import disable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, create_workspace, update_workspace
from support.snapshot import snapshot
from support.watched_changes import before_each_statement
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


# A person who is erased while a request of theirs runs: whichever comes first, none of their names comes back.
#
# The request is stopped before each of its statements in turn and the erasure begins there, from another process's
# view. It either ends, or it waits for what the request has locked; then the request goes on.


NEW = "eleven quiet trams before dawn"
BROWSER = "the browser of one person"


@dataclass(frozen=True)
class Scene:
    """A person with a session, a workspace that they own with another, a token there, and an invitation's code."""

    world: World
    home: Workspace
    other: Workspace
    eve: MemberCaller
    email: str
    colleague: str
    token: str
    code: str
    session: Secret
    session_id: str


Doing = Callable[[Scene], Awaitable[object]]

DOING: dict[str, Doing] = {
    "sign in": lambda at: sign_in(at.world.system, FACTS, email=at.email, password=PASSWORD),
    "sign in with a wrong password": lambda at: sign_in(at.world.system, FACTS, email=at.email, password="wrong"),
    "change the password with a wrong one": lambda at: change_password(
        at.world.system, replace(at.eve, request=FACTS), current="wrong", new=NEW
    ),
    "change the password": lambda at: change_password(at.world.system, at.eve, current=PASSWORD, new=NEW),
    "sign out": lambda at: sign_out(at.world.system, at.eve, at.session),
    "end a session": lambda at: end_session(at.world.system, at.eve, at.session_id, None),
    "end other sessions": lambda at: end_other_sessions(at.world.system, at.eve, None),
    "change the account": lambda at: update_account(at.world.system, at.eve, name=f"{at.email} again"),
    "accept an invitation": lambda at: accept_invitation(at.world.system, at.eve.request, at.eve, code=at.code),
    "make a workspace": lambda at: create_workspace(
        at.world.system, at.eve, name="Mine", slug=f"mine-{at.token[-12:].lower()}", product="spooled", plan=None
    ),
    "change the workspace": lambda at: update_workspace(
        at.world.system, at.eve, at.home.id, WorkspaceChanges(name=f"Ours {at.token}")
    ),
    "make a space": lambda at: create_space(
        at.world.system, at.eve, at.home.id, name="main", slug=f"s-{at.token[-12:].lower()}"
    ),
    "make a token": lambda at: create_token(at.world.system, at.eve, NewToken(at.home.id, "t", ("jobs:read",))),
    "rotate a token": lambda at: rotate_token(at.world.system, at.eve, at.token),
    "disable a token": lambda at: disable_token(at.world.system, at.eve, at.token),
    "revoke a token": lambda at: revoke_token(at.world.system, at.eve, at.token),
    "invite": lambda at: add_member(
        at.world.system, at.eve, at.home.id, email=f"x{at.token[-12:]}@example.com", role="member"
    ),
    "change a role": lambda at: change_member_role(at.world.system, at.eve, at.home.id, at.colleague, role="member"),
    "be added elsewhere": lambda at: add_account(at.world.system, OPERATOR, at.other.id, at.eve.id, role="member"),
    "be given a role": lambda at: change_member_role(at.world.system, OPERATOR, at.home.id, at.eve.id, role="admin"),
    "have the address proven": lambda at: prove_email(at.world.system, OPERATOR, at.eve.id),
    "be given a password": lambda at: reset_password(at.world.system, OPERATOR, at.eve.id, password=NEW),
}


class Meanwhile:
    """Begins an erasure before the n-th statement of a request, and lets the request go on when it has ended or waits.

    Statements of ``store`` that other tasks run are not counted.
    """

    def __init__(self, store: Store, erasing: Store, number: int, erase: Callable[[], Coroutine[None, None, Erased]]):
        self._store, self._elsewhere, self._number, self._erase = store, erasing, number, erase
        self._count = 0
        self._begun = 0
        self._task = asyncio.current_task()
        self._one_hop = before_each_statement(store, self._before_of_one_hop)
        self.erasing: asyncio.Task[Erased] | None = None
        self.waited = False

    def __enter__(self) -> Meanwhile:
        event.listen(self._store.engine.sync_engine, "before_cursor_execute", self._before)
        event.listen(self._elsewhere.engine.sync_engine, "before_cursor_execute", self._seen)
        self._one_hop.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._one_hop.__exit__(None, None, None)
        event.remove(self._store.engine.sync_engine, "before_cursor_execute", self._before)

    def _before(self, *_: object) -> None:
        if asyncio.current_task() is not self._task:
            return
        self._count += 1
        if self._count == self._number:
            await_only(self._begin())

    async def _before_of_one_hop(self) -> None:
        self._count += 1
        if self._count == self._number:
            await self._begin()

    def _seen(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._begun += statement == "BEGIN IMMEDIATE"

    async def _begin(self) -> None:
        self.erasing = asyncio.create_task(self._erase())
        while not self.erasing.done() and not self.waited:
            await asyncio.sleep(0.005)
            self.waited = not self.erasing.done() and await self._waits()

    async def _waits(self) -> bool:
        """Whether the erasure waits for what the request has locked."""
        if self._elsewhere.dialect != POSTGRESQL:
            return self._begun > 1  # SQLite has one writer, and the first attempt found it at work
        async with self._elsewhere.reading() as session:
            return bool((await (await session.connection()).execute(WAITING)).scalar())


WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def scene(world: World, home: Workspace, other: Workspace, number: int) -> Scene:
    """Another person, so that each attempt finds one who is there."""
    email = f"eve-{number}-{'p' * 12}@example.com"
    known = await world.member(home, "owner", email)
    eve = MemberCaller(known.id, known.name, RequestFacts("198.51.100.9", BROWSER, "req-eve"))
    member = await world.member(home, "admin")
    token = await create_token(world.system, eve, NewToken(home.id, "t", ("jobs:read",)))
    invited = await add_member(world.system, OPERATOR, other.id, email=f"i{number}@example.com", role="member")
    assert isinstance(invited, Invited)
    opened = await sign_in(world.system, eve.request, email=email, password=PASSWORD)
    session = (await own_sessions(world.system, eve, None))[0]
    return Scene(
        world,
        home,
        other,
        eve,
        email,
        member.id,
        token.view.token.id,
        invited.invitation.reveal(),
        opened.secret,
        session.id,
    )


@pytest_asyncio.fixture
async def elsewhere(store: Store) -> AsyncIterator[Store]:
    """The same database, as another process has it."""
    opened = Store(store.url.render_as_string(hide_password=False))
    yield opened
    await opened.aclose()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("doing", DOING)
async def test_no_name_of_a_person_comes_back_after_their_erasure(store: Store, elsewhere: Store, doing: str) -> None:
    world = make_world(store)
    home, other = await world.workspace("spooled"), await world.workspace("spooled")
    await world.member(home, "owner")
    erasing = replace(world.system, store=elsewhere)
    number, meanwhile = 0, None
    # Where the erasure has to wait it would have to before every later statement: locks are kept until the end.
    while meanwhile is None or (meanwhile.erasing is not None and not meanwhile.waited):
        number += 1
        at = await scene(world, home, other, number)
        meanwhile, made = Meanwhile(store, elsewhere, number, partial(erase_user, erasing, OPERATOR, at.eve.id)), None
        with meanwhile, suppress(UserError):
            made = await DOING[doing](at)
        if meanwhile.erasing is not None:
            with suppress(Conflict):  # they joined a workspace at this moment
                await meanwhile.erasing
        if isinstance(made, Workspace):
            await delete_workspace(world.system, OPERATOR, made.id)
        with suppress(NotFound):  # they are erased already
            await erase_user(erasing, OPERATOR, at.eve.id)
        left = repr(await snapshot(store))
        assert at.email.partition("@")[0] not in left, f"before statement {number}"
        assert BROWSER not in left, f"before statement {number}"
        assert {one.problem for one in await verify_chains(world.system)} == {None}
    assert meanwhile.waited or number > 1


# A request of someone who is erased meanwhile changes nothing, and makes no account or membership of theirs again.


Asking = Callable[[World, Workspace, MemberCaller, str], Awaitable[object]]

REFUSED: dict[str, Asking] = {
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
