"""Who may manage a teamspace's access tokens, by the member's role, written out by hand; and who rotates."""

from __future__ import annotations

import pytest

from spacekey.domain.refusal import Forbidden
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from support.world import OPERATOR, World, make_world

pytestmark = pytest.mark.sampled(2)

ACTIONS = ("view", "create", "edit", "disable", "enable", "delete", "rotate")

#                  view  create edit  disable enable delete rotate
MATRIX = {
    "owner":         (True, True,  True,  True,  True,  True,  True),
    "administrator": (True, True,  True,  True,  True,  True,  True),
    "manager":       (True, True,  True,  False, False, False, False),
    "member":        (True, False, False, False, False, False, False),
    "viewer":        (True, False, False, False, False, False, False),
}  # fmt: skip

CELLS = [(role, action, allowed) for role, row in MATRIX.items() for action, allowed in zip(ACTIONS, row, strict=True)]


async def do(world: World, caller: MemberCaller, action: str, workspace_id: str) -> None:
    """The action on a token that the operator made for it."""
    system = world.system
    token = (await create_token(system, OPERATOR, NewToken(workspace_id, "CI", ("viewer",)))).view.token.id
    match action:
        case "view":
            assert (await token_view(system, caller, token)).token.name == "CI"
        case "create":
            issued = await create_token(system, caller, NewToken(workspace_id, "New", ("viewer",)))
            assert issued.view.role == "viewer"
        case "edit":
            assert (await update_token(system, caller, token, TokenChanges(name="Edited"))).view.token.name == "Edited"
        case "disable":
            assert (await disable_token(system, caller, token)).view.status == "disabled"
        case "enable":
            await disable_token(system, OPERATOR, token)
            assert (await enable_token(system, caller, token)).view.status == "active"
        case "delete":
            assert (await delete_token(system, caller, token)).view.token.deleted_at == world.clock()
        case "rotate":
            issued = await rotate_token(system, caller, token, grace_seconds=0)
            assert issued.view.token.rotated_from_id == token
        case _:
            raise AssertionError(f"no such action: {action}")


@pytest.mark.parametrize(("role", "action", "allowed"), CELLS)
async def test_members_manage_tokens_by_their_role(store: Store, role: str, action: str, allowed: bool) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    caller = await world.member(workspace, role)
    if allowed:
        await do(world, caller, action, workspace.id)
        return
    with pytest.raises(Forbidden):
        await do(world, caller, action, workspace.id)


def test_every_role_of_the_product_is_a_row() -> None:
    assert set(MATRIX) == {"viewer", "member", "manager", "administrator", "owner"}
