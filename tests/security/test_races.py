"""Two at once: what one of them took away, the other cannot use."""

from __future__ import annotations

import asyncio

from spacekey.domain.refusal import Conflict, NotFound
from spacekey.models.engine.store import Store
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.members import add_member, change_member_role, remove_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token, revoke_tokens
from spacekey.resolvers.tokens.update import Changed
from support.world import OPERATOR, make_world


async def test_owners_who_remove_each_other_at_once_leave_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    one, two = await world.member(workspace, "owner"), await world.member(workspace, "owner")
    answers = await asyncio.gather(
        remove_member(world.system, one, workspace.id, two.id),
        remove_member(world.system, two, workspace.id, one.id),
        change_member_role(world.system, one, workspace.id, one.id, role="viewer"),
        change_member_role(world.system, two, workspace.id, two.id, role="viewer"),
        return_exceptions=True,
    )
    assert all(isinstance(one, Conflict | NotFound) for one in answers if isinstance(one, BaseException)), answers
    async with store.reading() as session:
        assert await workspace_queries.count_members_with_role(session, workspace.id, "owner") >= 1


async def test_bulk_revocations_across_workspaces_in_opposite_orders_all_succeed(store: Store) -> None:
    world = make_world(store)
    person = await world.user("ada@example.com")
    ids = []
    for workspace in (await world.workspace("teamspace"), await world.workspace("teamspace")):
        await add_member(world.system, OPERATOR, workspace.id, email=person.name, role="owner")
        for _ in range(3):
            issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("viewer",)))
            ids.append(issued.view.token.id)
    forward, backward, *singles = await asyncio.gather(
        revoke_tokens(world.system, person, ids),
        revoke_tokens(world.system, person, ids[::-1]),
        *(revoke_token(world.system, person, one) for one in ids),
    )
    assert isinstance(forward, tuple)
    assert isinstance(backward, tuple)
    assert all(isinstance(one, Changed) for one in singles)
    assert all(report.broken_at is None for report in await verify_chains(world.system))
