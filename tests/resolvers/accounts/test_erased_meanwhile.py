"""A person who is erased while a request of theirs runs: whichever comes first, none of their names comes back.

The request is stopped before each of its statements in turn and the erasure begins there, from another process's view.
It either ends, or it waits for what the request has locked; then the request goes on.
"""

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
from spacekey.models.engine.store import POSTGRESQL, Store
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
from spacekey.resolvers.accounts.users import prove_email, reset_password, update_account
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_account, add_member, change_member_role
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import disable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, create_workspace, update_workspace
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

pytestmark = pytest.mark.sampled(4)

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
        self.erasing: asyncio.Task[Erased] | None = None
        self.waited = False

    def __enter__(self) -> Meanwhile:
        event.listen(self._store.engine.sync_engine, "before_cursor_execute", self._before)
        event.listen(self._elsewhere.engine.sync_engine, "before_cursor_execute", self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._store.engine.sync_engine, "before_cursor_execute", self._before)

    def _before(self, *_: object) -> None:
        if asyncio.current_task() is not self._task:
            return
        self._count += 1
        if self._count == self._number:
            await_only(self._begin())

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
