"""Invitations, and a plan or policy that takes from their makers what it took to make them."""

from __future__ import annotations

from typing import Any

import pytest

from spacekey.domain.refusal import NotFound
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import Caller, TokenCaller
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.schema import spacekey_schema
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, PASSWORD, make_world

SCHEMA = spacekey_schema()
ACCEPT = """mutation ($code: String!, $password: String!) {
  acceptInvitation(input: {code: $code, password: $password}) { __typename ... on UserError { message } }
}"""
REFUSED = "There is no such invitation, or you have no access to it."
POLICY = (WorkspaceChanges(scopes_allowed=("documents:read",)), WorkspaceChanges(scopes_allowed=None))
PLAN = (WorkspaceChanges(plan="free"), WorkspaceChanges(plan="paid"))


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("by", ["token", "member"])
@pytest.mark.parametrize(
    ("product", "plan", "inviter", "role", "changes"),
    [
        ("teamspace", "business", "administrator", "manager", POLICY),
        ("guard", "paid", "members:write", "member", PLAN),
    ],
)
async def test_acceptance_is_refused_in_words_while_the_inviting_token_is_cut_and_members_go_on(
    store: Store, product: str, plan: str, inviter: str, role: str, changes: Any, by: str, signed_in: bool
) -> None:
    world = make_world(store)
    workspace = await world.workspace(product, plan=plan)
    owner = await world.member(workspace, "owner")
    maker: Caller = owner
    if by == "token":
        grants = (inviter,) if product == "teamspace" else ("members:write", "members:read", *_of_role(world, role))
        made = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", grants))
        maker = TokenCaller(made.view.token.id, "t", workspace.id, FACTS)
    invited = await add_member(world.system, maker, workspace.id, email="new@example.com", role=role)
    assert isinstance(invited, Invited)
    code = invited.invitation.reveal()
    stranger = await world.user("stranger@example.com") if signed_in else None
    password = None if signed_in else PASSWORD
    cut, given_back = changes
    await update_workspace(world.system, OPERATOR, workspace.id, cut)
    if by == "token":
        before = await snapshot(store)
        with pytest.raises(NotFound) as refused:
            await accept_invitation(world.system, FACTS, stranger, code=code, password=password)
        assert str(refused.value) == REFUSED
        answer = await world.ask(SCHEMA, ACCEPT, variables={"code": code, "password": PASSWORD})
        assert answer["data"]["acceptInvitation"] == {"__typename": "NotFound", "message": REFUSED}
        assert await snapshot(store) == before
        await update_workspace(world.system, OPERATOR, workspace.id, given_back)
    joined = await accept_invitation(world.system, FACTS, stranger, code=code, password=password)
    assert joined.workspace_id == workspace.id


def _of_role(world: Any, role: str) -> tuple[str, ...]:
    return tuple(world.system.products["guard"].roles[role].grants)
