"""A deleted workspace takes everything with it that was given in it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.page import PageRequest
from spacekey.domain.refusal import Conflict, CredentialNotAllowed, Forbidden, NotFound
from spacekey.models.engine.store import Store
from spacekey.models.queries.audit import audit_events
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.authority import workspace_list
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.spaces import create_space
from support.databases import lookup_on
from support.world import FACTS, OPERATOR, PASSWORD, StoppedClock, World, example_products, make_world

FIRST = "nine yellow umbrellas outside"


async def _no_rotation(token_id: str) -> None:
    raise AssertionError(f"{token_id}: no rotation with retire on first use here")


@pytest_asyncio.fixture
async def verifier(store: Store) -> AsyncIterator[LookupVerifier]:
    """The database verifier with the real lookup."""
    made = LookupVerifier(lookup_on(store), example_products(), StoppedClock(), _no_rotation)
    yield made
    await made.aclose()


async def issued(world: World, workspace: Workspace, space_id: str | None = None) -> Issued:
    return await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",), space_id=space_id))


async def test_all_of_its_tokens_are_refused_and_those_of_others_are_not(
    store: Store, verifier: LookupVerifier
) -> None:
    world = make_world(store)
    gone, kept = await world.workspace("spooled"), await world.workspace("spooled")
    space = await world.space(gone)
    owner = await world.member(gone, "owner")
    mine, of_space, other = await issued(world, gone), await issued(world, gone, space.id), await issued(world, kept)
    await delete_workspace(world.system, owner, gone.id)
    for one in (mine, of_space):
        assert await verifier.verify(one.secret) == Rejected(Reason.DELETED, one.view.token.id)
        with pytest.raises(NotFound):
            await token_view(world.system, TokenCaller(one.view.token.id, "t", gone.id, FACTS), one.view.token.id)
    assert isinstance(await verifier.verify(other.secret), Authenticated)


async def test_the_answer_waits_until_no_process_can_still_accept_a_token(store: Store) -> None:
    world = make_world(store, staleness_seconds=1.5)
    one, two = await world.workspace("spooled"), await world.workspace("spooled")
    waited = await delete_workspace(world.system, OPERATOR, one.id)
    assert world.naps == [1.5]
    at_once = await delete_workspace(world.system, OPERATOR, two.id, wait=False)
    assert world.naps == [1.5]
    for answer in (waited, at_once):
        assert (answer.effective_at - world.clock()).total_seconds() == 1.5


async def test_its_members_sign_in_as_before_and_belong_to_nothing(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    owner, other = await world.member(workspace, "owner"), await world.member(workspace, "member")
    before = await sign_in(world.system, FACTS, email=other.name, password=PASSWORD)
    await delete_workspace(world.system, owner, workspace.id)
    after = await sign_in(world.system, FACTS, email=other.name, password=PASSWORD)
    for one in (before, after):
        verdict = await session_outcome(world.system, one.secret)
        assert isinstance(verdict, Authenticated)
        assert verdict.principal.scopes == frozenset()
    assert (await workspace_list(world.system, other, PageRequest(10))).rows == []


async def test_there_is_nothing_left_to_come_back_to(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", slug="acme")
    owner = await world.member(workspace, "owner")
    invited = await add_member(world.system, owner, workspace.id, email="new@example.com", role="owner")
    token = await issued(world, workspace)
    await delete_workspace(world.system, owner, workspace.id)
    for caller in (owner, OPERATOR):
        with pytest.raises(NotFound):
            await create_space(world.system, caller, workspace.id, name="S", slug="s")
        with pytest.raises(NotFound):
            await token_view(world.system, caller, token.view.token.id)
        with pytest.raises(NotFound):
            await delete_workspace(world.system, caller, workspace.id)
    assert isinstance(invited, Invited)
    with pytest.raises(NotFound):
        await accept_invitation(world.system, FACTS, None, code=invited.invitation.reveal(), password=FIRST)
    with pytest.raises(Conflict, match="rests"):
        await world.workspace("emit", slug="acme")
    world.clock.forward(days=90)
    assert (await world.workspace("emit", slug="acme")).slug == "acme"


async def test_only_an_owner_may_and_only_signed_in(store: Store) -> None:
    """A token may hold the owner's role; it is a program, and no program ends a workspace."""
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    administrator = await world.member(workspace, "administrator")
    token = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("owner",)))
    stranger = await world.member(await world.workspace("teamspace"), "owner")
    with pytest.raises(Forbidden):
        await delete_workspace(world.system, administrator, workspace.id)
    with pytest.raises(CredentialNotAllowed, match="operator:workspaces:delete"):
        await delete_workspace(world.system, TokenCaller(token.view.token.id, "t", workspace.id, FACTS), workspace.id)
    with pytest.raises(NotFound):
        await delete_workspace(world.system, stranger, workspace.id)
    assert (await workspace_list(world.system, administrator, PageRequest(10))).rows != []


async def test_its_log_is_kept_and_ends_with_who_deleted_it(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", slug="acme")
    owner = await world.member(workspace, "owner")
    await delete_workspace(world.system, owner, workspace.id)
    async with store.reading() as session:
        last = [event async for event in audit_events(session, workspace.id)][-1]
    assert (last.action, last.actor_name, last.before) == (
        "workspace.delete",
        owner.name,
        {"name": "acme", "slug": "acme"},
    )
    assert last.after == {"memberships_ended": 1}
    assert [one for one in await verify_chains(world.system) if one.broken_at is not None] == []


async def test_nobody_joins_and_nothing_is_made_while_it_is_deleted(store: Store, verifier: LookupVerifier) -> None:
    """Whoever comes second finds nothing; nobody waits for somebody who waits for them."""
    world = make_world(store)
    for number in range(5):
        workspace = await world.workspace("spooled")
        owner = await world.member(workspace, "owner")
        email = f"new{number}@example.com"
        invited = await add_member(world.system, owner, workspace.id, email=email, role="member")
        assert isinstance(invited, Invited)
        code = invited.invitation
        answers = await asyncio.gather(
            accept_invitation(world.system, FACTS, None, code=code.reveal(), password=FIRST),
            delete_workspace(world.system, owner, workspace.id),
            add_member(world.system, owner, workspace.id, email=email, role="member"),
            create_token(world.system, owner, NewToken(workspace.id, "t", ("jobs:read",))),
            return_exceptions=True,
        )
        strange = [
            one for one in answers if isinstance(one, BaseException) and not isinstance(one, NotFound | Conflict)
        ]
        assert strange == []
        made = answers[3]
        assert isinstance(made, NotFound) or not isinstance(await verifier.verify(made.secret), Authenticated)
        with pytest.raises(NotFound):
            await create_space(world.system, owner, workspace.id, name="S", slug="s")
