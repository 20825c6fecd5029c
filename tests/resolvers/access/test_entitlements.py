"""Everything that people make has a bound, however it is made."""

from __future__ import annotations

import pytest

from spacekey.domain.authentication import Authenticated
from spacekey.domain.refusal import Conflict
from spacekey.models.engine.store import Store
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.access import entitlements as room
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_account, add_member
from spacekey.resolvers.workspaces.spaces import create_space, delete_space
from spacekey.resolvers.workspaces.workspaces import create_workspace
from support.world import FACTS, OPERATOR, PASSWORD, make_world


async def test_a_workspace_has_no_more_members_than_it_may_by_any_way_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MEMBERS_MAX", 2)
    world = make_world(store)
    system, workspace = world.system, await world.workspace("spooled")
    await world.member(workspace, "owner", "one@example.com")
    invited = [
        await add_member(system, OPERATOR, workspace.id, email=f"{name}@example.com", role="member") for name in "abc"
    ]
    carol, dave = await world.user("carol@example.com"), await world.user("dave@example.com")
    codes = [one.invitation.reveal() for one in invited if isinstance(one, Invited)]
    assert len(codes) == 3
    await accept_invitation(system, FACTS, carol, code=codes[0], password=None)  # the last place
    for attempt in (
        lambda: accept_invitation(system, FACTS, dave, code=codes[1], password=None),
        lambda: accept_invitation(system, FACTS, None, code=codes[2], password=PASSWORD),
        lambda: add_account(system, OPERATOR, workspace.id, dave.id, role="member"),
        lambda: add_member(system, OPERATOR, workspace.id, email="dave@example.com", role="member"),
    ):
        with pytest.raises(Conflict, match="2 members, the maximum"):
            await attempt()
    async with store.reading() as session:
        assert await workspace_queries.count_members(session, workspace.id) == 2


async def test_a_person_belongs_to_no_more_workspaces_than_they_may(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MEMBERSHIPS_MAX", 2)
    world = make_world(store)
    ada = await world.user("ada@example.com")
    for slug in ("one", "two"):
        await create_workspace(world.system, ada, name=slug, slug=slug, product="spooled")
    third = await world.workspace("spooled")
    for attempt in (
        lambda: create_workspace(world.system, ada, name="three", slug="three", product="spooled"),
        lambda: add_account(world.system, OPERATOR, third.id, ada.id, role="member"),
    ):
        with pytest.raises(Conflict, match="belongs to 2 workspaces"):
            await attempt()


async def test_a_workspace_has_no_more_spaces_than_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SPACES_MAX", 2)
    world = make_world(store)
    workspace = await world.workspace("emit")
    spaces = [await world.space(workspace, slug) for slug in ("one", "two")]
    with pytest.raises(Conflict, match="2 spaces"):
        await create_space(world.system, OPERATOR, workspace.id, name="three", slug="three")
    await delete_space(world.system, OPERATOR, spaces[0].id)
    await create_space(world.system, OPERATOR, workspace.id, name="three", slug="three")


async def test_signing_in_once_more_ends_the_session_seen_longest_ago(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SESSIONS_MAX", 3)
    world = make_world(store)
    await world.user("ada@example.com")
    await world.user("bob@example.com")
    bobs = await sign_in(world.system, FACTS, email="bob@example.com", password=PASSWORD)
    opened = []
    for _ in range(5):
        world.clock.forward(minutes=10)
        opened.append(await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD))
    good = [isinstance(await session_outcome(world.system, one.secret), Authenticated) for one in opened]
    assert good == [False, False, True, True, True]
    assert isinstance(await session_outcome(world.system, bobs.secret), Authenticated)
